"""/v1/access-numbers: the phone numbers that callers dial."""

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

Spoken = Annotated[Language, Field(description="Language of the prompts that callers hear.")]
Greeting = Annotated[
    Text,
    Field(
        pattern=f"^({GREETING})?$",
        description="Name of a sound file in that language, played first. Empty: the default.",
    ),
]
DedicatedTo = Annotated[
    UUID | None, Field(description="Account that the number is dedicated to. Null: all accounts share the number.")
]

By = Annotated[list[UUID], Field(description="Trunks that the number is dialled over. Empty: any trunk.")]


class NewAccessNumber(Request):
    """An access number to add."""

    number: Text = Field(examples=["+1 800 555 0100"])
    kind: NumberKind = NumberKind.LOCAL
    language: Spoken = Language.EN
    greeting: Greeting = ""
    account_id: DedicatedTo = None
    trunk_ids: By = Field(default=[])


class AccessNumberChange(Change):
    """A change of an access number."""

    kind: NumberKind = kept()
    language: Spoken = kept()
    greeting: Greeting = kept()
    account_id: DedicatedTo = kept()
    trunk_ids: By = kept()


class AccessNumberSchema(Answer):
    """A phone number that callers dial to reach their conference."""

    id: UUID
    number: str = Field(description="Digits only, with the country code.")
    kind: NumberKind
    created_at: Time
    account_id: UUID | None = Field(description="Account that the number is dedicated to. Null: all accounts share it.")
    language: Language
    greeting: str = Field(description="Name of a sound file in that language, played first. Empty: the default.")
    trunk_ids: By
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")

    @classmethod
    def of(cls, number: AccessNumber) -> "AccessNumberSchema":
        return cls.model_validate(number, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    fields = AccessNumberFields(**dict(request.body))
    return AccessNumberSchema.of(await provision.add_access_number(request.services.tenants, fields))


async def read_page(request: ApiRequest) -> BaseModel:
    find = partial(request.services.tenants.access_numbers, reachable_by=request.principal.account_id)
    return await listing.page(request, AccessNumberSchema, AccessNumberSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return AccessNumberSchema.of(await request.services.tenants.access_number(request.ids["access_number_id"]))


async def change(request: ApiRequest) -> BaseModel:
    number_id, changes = request.ids["access_number_id"], request.body.to(AccessNumberChanges)
    made = await update.change_access_number(request.services.tenants, number_id, changes, request.expected)
    return AccessNumberSchema.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_access_number(request.ids["access_number_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_access_number", "POST", "/v1/access-numbers", "Add an access number", create,
        AccessNumberSchema, 201, body=NewAccessNumber, refusals=(404, 409),
    ),
    Operation(
        "list_access_numbers", "GET", "/v1/access-numbers", "List access numbers", read_page,
        Page[AccessNumberSchema], query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_access_number", "GET", "/v1/access-numbers/{access_number_id}", "Read an access number", read,
        AccessNumberSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_access_number", "PATCH", "/v1/access-numbers/{access_number_id}", "Change an access number", change,
        AccessNumberSchema, body=AccessNumberChange, refusals=(404,), versioned=True,
    ),
    Operation(
        "delete_access_number", "DELETE", "/v1/access-numbers/{access_number_id}",
        "Delete an access number; callers who dial it are refused", remove,
        None, 204, versioned=True,
    ),
)  # fmt: skip
