"""/v1/accounts: the companies that pay."""

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, Leaving, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.access.principal import Scope
from bridge.domain.errors import Forbidden
from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.changes import AccountChanges, AccountFields
from bridge.domain.provisioning.tenants import Account, Space, State
from bridge.domain.provisioning.validation import CALLERS_MAX, QUOTA_MAX
from bridge.domain.text import LABEL_KEY_MAX, LABEL_VALUE_MAX, LABELS_MAX
from bridge.usecases.provisioning import provision, update

Labels = Annotated[
    dict[Annotated[str, Field(max_length=LABEL_KEY_MAX)], Annotated[str, Field(max_length=LABEL_VALUE_MAX)]],
    Field(
        max_length=LABELS_MAX,
        description="Free labels, by which lists can be filtered. Keys consist of a-z, 0-9, `_`, `.` and `-`.",
        examples=[{"office": "Oslo"}],
    ),
]
MaxCallers = Annotated[
    int | None,
    Field(ge=1, le=CALLERS_MAX, description="Most callers at a time, in all rooms together. Null: no limit."),
]


def _most(things: str) -> str:
    return f"Most {things} of the account. Null: no limit. A lower limit takes nothing away."


MaxSubAccounts = Annotated[int | None, Field(ge=1, le=QUOTA_MAX, description=_most("sub-accounts that are not closed"))]
MaxRooms = Annotated[int | None, Field(ge=1, le=QUOTA_MAX, description=_most("open rooms of such sub-accounts"))]
MaxPasscodes = Annotated[int | None, Field(ge=1, le=QUOTA_MAX, description=_most("live passcodes"))]
MaxKnownCallers = Annotated[int | None, Field(ge=1, le=QUOTA_MAX, description=_most("known callers"))]
MaxWebhooks = Annotated[int | None, Field(ge=1, le=QUOTA_MAX, description=_most("webhooks"))]
Currency = Annotated[Text, Field(description="Currency of prices and bills, a code of ISO 4217.", examples=["USD"])]
TimeZone = Annotated[
    Text,
    Field(description="IANA time zone, in which billing months begin and end.", examples=["America/New_York"]),
]
VERSION: Final = "Number of the version, from 1. The ETag is this number in double quotes."
TENANTS_OWN: Final = frozenset({"name", "labels"})
"""The fields of an account that its own keys may change; the rest is the operator's."""


class NewAccount(Request):
    """An account to create."""

    name: Name = Field(examples=["Northwind Legal"])
    currency: Currency
    time_zone: TimeZone
    code_space: Space = Field(
        Space.SHARED,
        description="Numbers on which the account's passcodes work: `shared` and dedicated ones, or only the account's "
        "`own`, where passcodes may be shorter. It cannot be changed later.",
    )
    max_callers: MaxCallers = None
    max_sub_accounts: MaxSubAccounts = quotas.SUB_ACCOUNTS
    max_rooms: MaxRooms = quotas.ROOMS
    max_passcodes: MaxPasscodes = quotas.PASSCODES
    max_known_callers: MaxKnownCallers = quotas.KNOWN_CALLERS
    max_webhooks: MaxWebhooks = quotas.WEBHOOKS
    labels: Labels = Field(default_factory=dict)


class AccountChange(Change):
    """A change of an account. Currency and time zone cannot change once the account has a tariff or a minute record."""

    name: Name = kept()
    state: State = kept(description="New state. `closed` is final, and revokes all passcodes.")
    currency: Currency = kept()
    time_zone: TimeZone = kept()
    max_callers: MaxCallers = kept()
    max_sub_accounts: MaxSubAccounts = kept()
    max_rooms: MaxRooms = kept()
    max_passcodes: MaxPasscodes = kept()
    max_known_callers: MaxKnownCallers = kept()
    max_webhooks: MaxWebhooks = kept()
    labels: Labels = kept()


class AccountSchema(Answer):
    """A company that pays. It has sub-accounts, and one bill a month."""

    id: UUID
    name: str
    currency: str = Field(description="Currency of prices and bills, a code of ISO 4217.")
    time_zone: str = Field(description="IANA time zone, in which billing months begin and end.")
    state: State
    created_at: Time
    code_space: Space
    max_callers: int | None = Field(description="Most callers at a time, in all rooms together. Null: no limit.")
    max_sub_accounts: int | None = Field(description=_most("sub-accounts that are not closed"))
    max_rooms: int | None = Field(description=_most("open rooms of such sub-accounts"))
    max_passcodes: int | None = Field(description=_most("live passcodes"))
    max_known_callers: int | None = Field(description=_most("known callers"))
    max_webhooks: int | None = Field(description=_most("webhooks"))
    labels: dict[str, str]
    version: int = Field(description=VERSION)

    @classmethod
    def of(cls, account: Account) -> "AccountSchema":
        return cls.model_validate(account, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    made = await provision.create_account(request.services.tenants, AccountFields(**dict(request.body)))
    return AccountSchema.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    tenants, own = request.services.tenants, request.principal.account_id
    if own is not None:
        return Page[AccountSchema](items=[AccountSchema.of(await tenants.account(own))])
    return await listing.page(request, AccountSchema, AccountSchema.of, tenants.accounts)


async def read(request: ApiRequest) -> BaseModel:
    return AccountSchema.of(await request.services.tenants.account(request.ids["account_id"]))


async def change(request: ApiRequest) -> BaseModel:
    account_id, changes = request.ids["account_id"], request.body.to(AccountChanges)
    operators = request.body.model_fields_set - TENANTS_OWN
    if request.principal.scope is not Scope.OPERATOR and operators:
        raise Forbidden(f"only an operator key may change {', '.join(sorted(operators))}")
    made = await update.change_account(request.services.tenants, account_id, changes, request.expected)
    if request.query.disconnect and made.state is not State.ACTIVE:
        request.afterwards.append(partial(request.services.participants.hang_up, account_id=account_id))
    return AccountSchema.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_account(request.ids["account_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_account", "POST", "/v1/accounts", "Create an account", create,
        AccountSchema, 201, body=NewAccount,
    ),
    Operation(
        "list_accounts", "GET", "/v1/accounts", "List accounts", read_page,
        Page[AccountSchema], query=Paged, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_account", "GET", "/v1/accounts/{account_id}", "Read an account", read,
        AccountSchema, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "change_account", "PATCH", "/v1/accounts/{account_id}", "Change, suspend, resume or close an account", change,
        AccountSchema, body=AccountChange, query=Leaving, refusals=(403, 409), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_account", "DELETE", "/v1/accounts/{account_id}", "Delete an account that has never been used", remove,
        None, 204, refusals=(409,), versioned=True,
    ),
)  # fmt: skip
