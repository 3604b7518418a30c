"""/v1/known-callers and /v1/sub-accounts/{id}/known-callers: callers known by number and name."""

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
    "skips_code: caller IDs can be forged, so anybody who knows this number can enter as host; it has an effect only "
    "while trust_callers of the sub-account is on"
)


class NewKnownCaller(Request):
    """A known caller to create."""

    number: Text = Field(description="Caller ID, as it arrives from the trunk.", examples=["+49 30 123456"])
    name: Name = Field(examples=["Ada Jensen"])
    room_id: UUID | None = Field(
        None, description="Room that the caller enters without a passcode. Left out: the first room."
    )
    skips_code: bool = Field(
        False,
        description="Let the caller in as host without a passcode, while `trust_callers` of the sub-account is on.",
    )


class KnownCallerChange(Change):
    """A change of a known caller. A new name appears in stays that begin from now on; earlier stays keep theirs."""

    name: Name = kept()
    room_id: UUID = kept()
    skips_code: bool = kept()


class KnownCallerSchema(Answer):
    """A caller whom a sub-account knows by number and name."""

    id: UUID
    account_id: UUID
    sub_account_id: UUID
    room_id: UUID = Field(description="Room that the caller enters without a passcode.")
    number: str = Field(description="Caller ID, digits only.")
    name: str
    skips_code: bool = Field(
        description="True if the caller needs no passcode, as long as `trust_callers` of the sub-account is on."
    )
    created_at: Time = Field(description="Instant from which the caller has this name.")
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")
    warnings: list[str] = Field(default_factory=list, description="Risks of the settings, in plain English.")

    @classmethod
    def of(cls, caller: KnownCaller) -> "KnownCallerSchema":
        shown = cls.model_validate(caller, from_attributes=True)
        return shown.model_copy(update={"warnings": [FORGEABLE]}) if caller.skips_code else shown


async def create(request: ApiRequest) -> BaseModel:
    body: NewKnownCaller = request.body
    made = await provision.add_known_caller(
        request.services.tenants,
        request.ids["sub_account_id"],
        body.number,
        body.name,
        body.room_id,
        body.skips_code,
        request.services.caller_numbers,
    )
    return KnownCallerSchema.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    find = partial(request.services.tenants.known_callers, request.ids["sub_account_id"])
    return await listing.page(request, KnownCallerSchema, KnownCallerSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return KnownCallerSchema.of(await request.services.tenants.known_caller(request.ids["known_caller_id"]))


async def change(request: ApiRequest) -> BaseModel:
    caller_id, changes = request.ids["known_caller_id"], request.body.to(KnownCallerChanges)
    made = await update.change_known_caller(request.services.tenants, caller_id, changes, request.expected)
    return KnownCallerSchema.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_known_caller(request.ids["known_caller_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_known_caller", "POST", "/v1/sub-accounts/{sub_account_id}/known-callers",
        "Add a known caller to a sub-account", create,
        KnownCallerSchema, 201, body=NewKnownCaller, refusals=(409,), scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "list_known_callers", "GET", "/v1/sub-accounts/{sub_account_id}/known-callers", "List known callers", read_page,
        Page[KnownCallerSchema], query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_known_caller", "GET", "/v1/known-callers/{known_caller_id}", "Read a known caller", read,
        KnownCallerSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_known_caller", "PATCH", "/v1/known-callers/{known_caller_id}", "Change a known caller", change,
        KnownCallerSchema, body=KnownCallerChange, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_known_caller", "DELETE", "/v1/known-callers/{known_caller_id}",
        "Delete a known caller; minute records keep the name", remove,
        None, 204, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
)  # fmt: skip
