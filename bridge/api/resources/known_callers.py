"""/v1/known-callers and those of a sub-account: callers it knows by number and name."""

from functools import partial
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.access.principal import Scope
from bridge.domain.provisioning.changes import KnownCallerChanges
from bridge.domain.provisioning.tenants import KnownCaller
from bridge.usecases.provisioning import provision, update

FORGEABLE: Final = (
    "skips_code: caller ID can be forged, so that whoever knows this number can enter as host; it takes effect only "
    "where the sub-account's trust_callers is on"
)


class NewKnownCaller(Request):
    number: Text = Field(description="as it arrives from the trunk", examples=["+49 30 123456"])
    name: Name = Field(examples=["Ada Jensen"])
    room_id: UUID | None = Field(None, description="the room it may enter without a code; the first one by default")
    skips_code: bool = Field(False, description="enter as host without a code, where the sub-account trusts callers")


class KnownCallerChange(Change):
    """Another name counts from now on: stays of the past keep the one that was true then."""

    name: Name = kept()
    room_id: UUID = kept()
    skips_code: bool = kept()


class KnownCallerAnswer(Answer):
    id: UUID
    account_id: UUID
    sub_account_id: UUID
    room_id: UUID
    number: str
    name: str
    skips_code: bool
    created_at: Time = Field(description="since when it has this name")
    version: int
    warnings: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, caller: KnownCaller) -> "KnownCallerAnswer":
        told = cls.model_validate(caller, from_attributes=True)
        return told.model_copy(update={"warnings": [FORGEABLE]}) if caller.skips_code else told


async def create(request: ApiRequest) -> BaseModel:
    body: NewKnownCaller = request.body
    made = await provision.add_known_caller(
        request.services.tenants, request.ids["sub_account_id"], body.number, body.name, body.room_id, body.skips_code
    )
    return KnownCallerAnswer.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    find = partial(request.services.tenants.known_callers, request.ids["sub_account_id"])
    return await listing.page(request, KnownCallerAnswer, KnownCallerAnswer.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return KnownCallerAnswer.of(await request.services.tenants.known_caller(request.ids["known_caller_id"]))


async def change(request: ApiRequest) -> BaseModel:
    caller_id, changes = request.ids["known_caller_id"], request.body.to(KnownCallerChanges)
    made = await update.change_known_caller(request.services.tenants, caller_id, changes, request.expected)
    return KnownCallerAnswer.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_known_caller(request.ids["known_caller_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_known_caller", "POST", "/v1/sub-accounts/{sub_account_id}/known-callers",
        "Let a sub-account know a caller by number and name", create,
        KnownCallerAnswer, 201, body=NewKnownCaller, refusals=(409,), scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "list_known_callers", "GET", "/v1/sub-accounts/{sub_account_id}/known-callers", "List known callers", read_page,
        Page[KnownCallerAnswer], query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_known_caller", "GET", "/v1/known-callers/{known_caller_id}", "Read a known caller", read,
        KnownCallerAnswer, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_known_caller", "PATCH", "/v1/known-callers/{known_caller_id}", "Change a known caller", change,
        KnownCallerAnswer, body=KnownCallerChange, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_known_caller", "DELETE", "/v1/known-callers/{known_caller_id}",
        "Forget a caller; stays of the past keep the name", remove,
        None, 204, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
)  # fmt: skip
