"""/v1/accounts: who pays."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api import paging
from bridge.api.operations import Operation
from bridge.api.paging import Paged
from bridge.api.services import Call
from bridge.api.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.tenancy import Account
from bridge.usecases import provision


class NewAccount(Request):
    name: Name = Field(examples=["Northwind Legal"])
    currency: Text = Field(description="ISO 4217", examples=["USD"])
    time_zone: Text = Field(description="IANA time zone: it bounds the billing months", examples=["America/New_York"])


class AccountAnswer(Answer):
    id: UUID
    name: str
    currency: str
    time_zone: str
    state: str
    created_at: Time

    @classmethod
    def of(cls, account: Account) -> "AccountAnswer":
        return cls.model_validate(account, from_attributes=True)


async def create(call: Call) -> BaseModel:
    body: NewAccount = call.body
    made = await provision.create_account(call.services.tenants, body.name, body.currency, body.time_zone)
    return AccountAnswer.of(made)


async def read_page(call: Call) -> BaseModel:
    limit = call.query.limit
    found = await call.services.tenants.accounts(limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda account: str(account.id))
    return Page[AccountAnswer](items=[AccountAnswer.of(account) for account in page], next_cursor=cursor)


async def read(call: Call) -> BaseModel:
    return AccountAnswer.of(await call.services.tenants.account(call.ids["account_id"]))


OPERATIONS: Final = (
    Operation(
        "create_account", "POST", "/v1/accounts", "Create an account: who pays", create,
        AccountAnswer, 201, body=NewAccount,
    ),
    Operation(
        "list_accounts", "GET", "/v1/accounts", "List accounts", read_page,
        Page[AccountAnswer], query=Paged,
    ),
    Operation(
        "get_account", "GET", "/v1/accounts/{account_id}", "Read an account", read,
        AccountAnswer,
    ),
)  # fmt: skip
