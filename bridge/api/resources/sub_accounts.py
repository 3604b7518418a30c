"""/v1/sub-accounts and /v1/accounts/{id}/sub-accounts: employees, departments, projects and clients of an account."""

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.listing import Made
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, Leaving, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Text, Time
from bridge.api.resources.accounts import VERSION, Labels, MaxCallers
from bridge.api.resources.rooms import RoomSchema
from bridge.domain.access.principal import Scope
from bridge.domain.provisioning.changes import SubAccountChanges, SubAccountFields
from bridge.domain.provisioning.tenants import State, SubAccount, SubAccountKind
from bridge.domain.provisioning.validation import COST_CENTRE_MAX
from bridge.domain.text import LABEL_KEY_MAX, LABEL_VALUE_MAX, USER_ID_MAX
from bridge.usecases.provisioning import pacing, provision, update
from bridge.usecases.provisioning.ports import SubAccountFilter
from bridge.usecases.provisioning.provision_passcodes import BULK_MOST

UserId = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=USER_ID_MAX,
        description="The account's own name for the sub-account, unique within the account. Bills show it.",
        examples=["e-1007"],
    ),
]
CostCentre = Annotated[
    Text, Field(max_length=COST_CENTRE_MAX, description="Cost centre, as the account names it.", examples=["4711"])
]
TrustCallers = Annotated[
    bool,
    Field(
        description="Let in known callers with `skips_code` without a passcode. Caller IDs can be forged: leave it off "
        "where that matters."
    ),
]
FORGEABLE: Final = (
    "trust_callers: caller IDs can be forged, so anybody who knows a number that skips the passcode can enter as host; "
    "use passcodes or PINs where that matters"
)


class NewSubAccountSchema(Request):
    """A sub-account to create. It gets a room with a host passcode and a guest passcode."""

    user_id: UserId
    name: Name = Field(examples=["Ada Jensen"])
    kind: SubAccountKind = SubAccountKind.EMPLOYEE
    cost_centre: CostCentre = ""
    max_callers: MaxCallers = None
    trust_callers: TrustCallers = False
    labels: Labels = Field(default_factory=dict)


class NewSubAccounts(Request):
    """Sub-accounts to create. All are created, or none."""

    items: list[NewSubAccountSchema] = Field(min_length=1, max_length=BULK_MOST)


class SubAccountChange(Change):
    """A change of a sub-account. Minute records keep the user ID, name and kind of the time when they began."""

    user_id: UserId = kept()
    name: Name = kept()
    kind: SubAccountKind = kept()
    state: State = kept(description="New state. `closed` is final, and revokes the passcodes.")
    cost_centre: CostCentre = kept()
    max_callers: MaxCallers = kept()
    trust_callers: TrustCallers = kept()
    labels: Labels = kept()


class SubAccountSchema(Answer):
    """An employee, department, project or client of an account. It owns rooms, and is one line of the bill."""

    id: UUID
    account_id: UUID
    user_id: str = Field(description="The account's own name for the sub-account, unique within the account.")
    name: str
    kind: SubAccountKind
    state: State
    created_at: Time
    cost_centre: str = Field(description="Cost centre, as the account names it; may be empty.")
    max_callers: int | None = Field(description="Most callers at a time, in all its rooms together. Null: no limit.")
    trust_callers: bool = Field(description="True if known callers with `skips_code` need no passcode.")
    labels: dict[str, str]
    version: int = Field(description=VERSION)
    warnings: list[str] = Field(default_factory=list, description="Risks of the settings, in plain English.")
    rooms: list[RoomSchema] = Field(
        description="The first 50 rooms, with digits of passcodes only on creation. "
        "`/v1/sub-accounts/{id}/rooms` lists all."
    )

    @classmethod
    def of(cls, sub_account: SubAccount) -> "SubAccountSchema":
        shown = cls.model_validate(sub_account, from_attributes=True)
        return shown.model_copy(update={"warnings": [FORGEABLE]}) if sub_account.trust_callers else shown


class SubAccountsQuery(Paged):
    user_id: str | None = Field(None, max_length=USER_ID_MAX, description="Only the sub-account with this user ID.")
    kind: SubAccountKind | None = Field(None, description="Only sub-accounts of this kind.")
    state: State | None = Field(None, description="Only sub-accounts in this state.")
    label: str | None = Field(
        None,
        max_length=LABEL_KEY_MAX + 1 + LABEL_VALUE_MAX,
        pattern="^[a-z0-9][a-z0-9_.-]*:",
        description="Only sub-accounts with this label, as `key:value`.",
        examples=["office:Oslo"],
    )


async def create(request: ApiRequest) -> BaseModel:
    """The response has the new room and the digits of both passcodes; later responses do not show the digits."""
    services, account_id = request.services, request.ids["account_id"]
    fields = SubAccountFields(**dict(request.body))
    made = await provision.create_sub_account(services.tenants, services.keys, account_id, fields)
    return SubAccountSchema.of(made)


async def create_many(request: ApiRequest) -> BaseModel:
    """Up to 5000 sub-accounts, as JSON or CSV. If one is invalid, none is created, and the problem names each row."""
    services = request.services
    rows = [SubAccountFields(**dict(one)) async for one in pacing.with_pauses(request.body.items)]
    made = await provision.create_sub_accounts(services.tenants, services.keys, request.ids["account_id"], rows)
    return await listing.made(SubAccountSchema, SubAccountSchema.of, made)


async def read_page(request: ApiRequest) -> BaseModel:
    query: SubAccountsQuery = request.query
    key, _, value = (query.label or "").partition(":")
    wanted = SubAccountFilter(query.user_id, query.kind, query.state, (key, value) if query.label else None)
    find = partial(request.services.tenants.sub_accounts, request.ids["account_id"], wanted=wanted)
    return await listing.page(request, SubAccountSchema, SubAccountSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return SubAccountSchema.of(await request.services.tenants.sub_account(request.ids["sub_account_id"]))


async def change(request: ApiRequest) -> BaseModel:
    sub_account_id, changes = request.ids["sub_account_id"], request.body.to(SubAccountChanges)
    made = await update.change_sub_account(request.services.tenants, sub_account_id, changes, request.expected)
    if request.query.disconnect and made.state is not State.ACTIVE:
        request.afterwards.append(partial(request.services.participants.hang_up, sub_account_id=sub_account_id))
    return SubAccountSchema.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_sub_account(request.ids["sub_account_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_sub_account", "POST", "/v1/accounts/{account_id}/sub-accounts",
        "Create a sub-account with a room, a host passcode and a guest passcode", create,
        SubAccountSchema, 201, body=NewSubAccountSchema, refusals=(409,), scope=Scope.ACCOUNT,
    ),
    Operation(
        "create_sub_accounts", "POST", "/v1/accounts/{account_id}/sub-accounts/bulk",
        "Create many sub-accounts, each with a room and two passcodes", create_many,
        Made[SubAccountSchema], 201, body=NewSubAccounts, refusals=(409, 429), scope=Scope.ACCOUNT, bulk=True,
    ),
    Operation(
        "list_sub_accounts", "GET", "/v1/accounts/{account_id}/sub-accounts", "List sub-accounts", read_page,
        Page[SubAccountSchema], query=SubAccountsQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_sub_account", "GET", "/v1/sub-accounts/{sub_account_id}", "Read a sub-account", read,
        SubAccountSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_sub_account", "PATCH", "/v1/sub-accounts/{sub_account_id}",
        "Change, suspend, resume or close a sub-account", change,
        SubAccountSchema, body=SubAccountChange, query=Leaving, refusals=(409,), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_sub_account", "DELETE", "/v1/sub-accounts/{sub_account_id}",
        "Delete a sub-account that has never been used", remove,
        None, 204, refusals=(409,), scope=Scope.ACCOUNT, versioned=True,
    ),
)  # fmt: skip
