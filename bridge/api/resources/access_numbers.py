"""/v1/access-numbers: what callers dial."""

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Request, Text, Time
from bridge.domain.access.principal import Scope
from bridge.domain.provisioning.changes import AccessNumberChanges, AccessNumberFields
from bridge.domain.provisioning.tenants import AccessNumber, Language, NumberKind
from bridge.domain.provisioning.validation import GREETING
from bridge.usecases.provisioning import provision, update

Spoken = Annotated[Language, Field(description="which of Asterisk's sound sets speaks to callers")]
Greeting = Annotated[
    Text,
    Field(pattern=f"^({GREETING})?$", description="the name of a sound of that language; empty for the usual one"),
]
DedicatedTo = Annotated[UUID | None, Field(description="the account it is dedicated to; null: all accounts share it")]


class NewAccessNumber(Request):
    number: Text = Field(examples=["+1 800 555 0100"])
    kind: NumberKind = NumberKind.LOCAL
    language: Spoken = Language.EN
    greeting: Greeting = ""
    account_id: DedicatedTo = None


class AccessNumberChange(Change):
    kind: NumberKind = kept()
    language: Spoken = kept()
    greeting: Greeting = kept()
    account_id: DedicatedTo = kept()


class AccessNumberAnswer(Answer):
    id: UUID
    number: str
    kind: NumberKind
    created_at: Time
    account_id: UUID | None
    language: Language
    greeting: str
    version: int

    @classmethod
    def of(cls, number: AccessNumber) -> "AccessNumberAnswer":
        return cls.model_validate(number, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    fields = AccessNumberFields(**dict(request.body))
    return AccessNumberAnswer.of(await provision.add_access_number(request.services.tenants, fields))


async def read_page(request: ApiRequest) -> BaseModel:
    find = partial(request.services.tenants.access_numbers, reachable_by=request.principal.account_id)
    return await listing.page(request, AccessNumberAnswer, AccessNumberAnswer.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return AccessNumberAnswer.of(await request.services.tenants.access_number(request.ids["access_number_id"]))


async def change(request: ApiRequest) -> BaseModel:
    number_id, changes = request.ids["access_number_id"], request.body.to(AccessNumberChanges)
    made = await update.change_access_number(request.services.tenants, number_id, changes, request.expected)
    return AccessNumberAnswer.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_access_number(request.ids["access_number_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_access_number", "POST", "/v1/access-numbers", "Add a number that callers dial", create,
        AccessNumberAnswer, 201, body=NewAccessNumber, refusals=(404, 409),
    ),
    Operation(
        "list_access_numbers", "GET", "/v1/access-numbers", "List the numbers that callers dial", read_page,
        Page[AccessNumberAnswer], query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_access_number", "GET", "/v1/access-numbers/{access_number_id}", "Read an access number", read,
        AccessNumberAnswer, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_access_number", "PATCH", "/v1/access-numbers/{access_number_id}", "Change an access number", change,
        AccessNumberAnswer, body=AccessNumberChange, refusals=(404,), versioned=True,
    ),
    Operation(
        "delete_access_number", "DELETE", "/v1/access-numbers/{access_number_id}",
        "Take an access number away: callers who dial it are refused", remove,
        None, 204, versioned=True,
    ),
)  # fmt: skip
