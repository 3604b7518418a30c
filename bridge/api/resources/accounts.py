"""/v1/accounts: who pays."""

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
from bridge.domain.provisioning.changes import AccountChanges, AccountFields
from bridge.domain.provisioning.tenants import Account, Space, State
from bridge.domain.provisioning.validation import CALLERS_MAX
from bridge.domain.text import LABEL_KEY_MAX, LABEL_VALUE_MAX, LABELS_MAX
from bridge.usecases.provisioning import provision, update

Labels = Annotated[
    dict[Annotated[str, Field(max_length=LABEL_KEY_MAX)], Annotated[str, Field(max_length=LABEL_VALUE_MAX)]],
    Field(
        max_length=LABELS_MAX,
        description="the account's own words to find it by; keys are made of a-z, 0-9, _, . and -",
        examples=[{"office": "Oslo"}],
    ),
]
MaxCallers = Annotated[
    int | None, Field(ge=1, le=CALLERS_MAX, description="so many callers at a time, in all rooms together; null: any")
]
Currency = Annotated[Text, Field(description="ISO 4217", examples=["USD"])]
TimeZone = Annotated[
    Text, Field(description="IANA time zone: it bounds the billing months", examples=["America/New_York"])
]
TENANTS_OWN: Final = frozenset({"name", "labels"})
"""What an account's own key may change of it."""


class NewAccount(Request):
    name: Name = Field(examples=["Northwind Legal"])
    currency: Currency
    time_zone: TimeZone
    code_space: Space = Field(
        Space.SHARED,
        description="where its passcodes can be dialled: on shared numbers and its own, or only on numbers dedicated "
        "to it, where they may be shorter; for good",
    )
    max_callers: MaxCallers = None
    labels: Labels = Field(default_factory=dict)


class AccountChange(Change):
    """Currency and time zone can be changed as long as there are no prices and no records."""

    name: Name = kept()
    state: State = kept(description="closed is for good, and revokes all passcodes")
    currency: Currency = kept()
    time_zone: TimeZone = kept()
    max_callers: MaxCallers = kept()
    labels: Labels = kept()


class AccountAnswer(Answer):
    id: UUID
    name: str
    currency: str
    time_zone: str
    state: State
    created_at: Time
    code_space: Space
    max_callers: int | None
    labels: dict[str, str]
    version: int

    @classmethod
    def of(cls, account: Account) -> "AccountAnswer":
        return cls.model_validate(account, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    made = await provision.create_account(request.services.tenants, AccountFields(**dict(request.body)))
    return AccountAnswer.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    tenants, own = request.services.tenants, request.principal.account_id
    if own is not None:
        return Page[AccountAnswer](items=[AccountAnswer.of(await tenants.account(own))])
    return await listing.page(request, AccountAnswer, AccountAnswer.of, tenants.accounts)


async def read(request: ApiRequest) -> BaseModel:
    return AccountAnswer.of(await request.services.tenants.account(request.ids["account_id"]))


async def change(request: ApiRequest) -> BaseModel:
    account_id, changes = request.ids["account_id"], request.body.to(AccountChanges)
    operators = request.body.model_fields_set - TENANTS_OWN
    if request.principal.scope is not Scope.OPERATOR and operators:
        raise Forbidden(f"only the operator changes {', '.join(sorted(operators))} of an account")
    made = await update.change_account(request.services.tenants, account_id, changes, request.expected)
    if request.query.disconnect and made.state is not State.ACTIVE:
        request.afterwards.append(partial(request.services.participants.hang_up, account_id=account_id))
    return AccountAnswer.of(made)


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_account(request.ids["account_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_account", "POST", "/v1/accounts", "Create an account: who pays", create,
        AccountAnswer, 201, body=NewAccount,
    ),
    Operation(
        "list_accounts", "GET", "/v1/accounts", "List accounts", read_page,
        Page[AccountAnswer], query=Paged, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_account", "GET", "/v1/accounts/{account_id}", "Read an account", read,
        AccountAnswer, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "change_account", "PATCH", "/v1/accounts/{account_id}", "Change, suspend, resume or close an account", change,
        AccountAnswer, body=AccountChange, query=Leaving, refusals=(403, 409), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_account", "DELETE", "/v1/accounts/{account_id}", "Delete an account that never had anything", remove,
        None, 204, refusals=(409,), versioned=True,
    ),
)  # fmt: skip
