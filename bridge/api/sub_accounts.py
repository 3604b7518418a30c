"""/v1/sub-accounts, those of an account, and their rooms: who uses."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api import paging
from bridge.api.operations import Operation
from bridge.api.paging import Paged
from bridge.api.passcodes import PasscodeAnswer
from bridge.api.services import Call
from bridge.api.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.tenancy import Kind, SubAccount
from bridge.usecases import provision


class NewSubAccount(Request):
    user_id: Text = Field(
        min_length=1,
        max_length=64,
        description="the account's own name for it, unique within the account",
        examples=["e-1007"],
    )
    name: Name = Field(examples=["Ada Jensen"])
    kind: Kind = Kind.EMPLOYEE


class RoomAnswer(Answer):
    id: UUID
    name: str
    passcodes: list[PasscodeAnswer]


class SubAccountAnswer(Answer):
    id: UUID
    account_id: UUID
    user_id: str
    name: str
    kind: Kind
    state: str
    created_at: Time
    rooms: list[RoomAnswer]

    @classmethod
    def of(cls, sub_account: SubAccount) -> "SubAccountAnswer":
        return cls.model_validate(sub_account, from_attributes=True)


async def create(call: Call) -> BaseModel:
    body: NewSubAccount = call.body
    services = call.services
    made = await provision.create_sub_account(
        services.tenants, services.keys, call.ids["account_id"], body.user_id, body.name, body.kind
    )
    return SubAccountAnswer.of(made)


async def read_page(call: Call) -> BaseModel:
    limit, account_id = call.query.limit, call.ids["account_id"]
    found = await call.services.tenants.sub_accounts(account_id, limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda sub_account: str(sub_account.id))
    return Page[SubAccountAnswer](items=[SubAccountAnswer.of(owner) for owner in page], next_cursor=cursor)


async def read(call: Call) -> BaseModel:
    return SubAccountAnswer.of(await call.services.tenants.sub_account(call.ids["sub_account_id"]))


async def read_rooms(call: Call) -> BaseModel:
    owner = SubAccountAnswer.of(await call.services.tenants.sub_account(call.ids["sub_account_id"]))
    page, cursor = paging.slice_of(owner.rooms, call.query, lambda room: str(room.id))
    return Page[RoomAnswer](items=list(page), next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "create_sub_account", "POST", "/v1/accounts/{account_id}/sub-accounts",
        "Create a sub-account with a room, a host and a guest passcode", create,
        SubAccountAnswer, 201, body=NewSubAccount, refusals=(409,),
    ),
    Operation(
        "list_sub_accounts", "GET", "/v1/accounts/{account_id}/sub-accounts", "List sub-accounts", read_page,
        Page[SubAccountAnswer], query=Paged,
    ),
    Operation(
        "get_sub_account", "GET", "/v1/sub-accounts/{sub_account_id}", "Read a sub-account", read,
        SubAccountAnswer,
    ),
    Operation(
        "list_rooms", "GET", "/v1/sub-accounts/{sub_account_id}/rooms", "List the rooms of a sub-account", read_rooms,
        Page[RoomAnswer], query=Paged,
    ),
)  # fmt: skip
