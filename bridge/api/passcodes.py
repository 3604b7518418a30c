"""/v1/passcodes and those of a room: digits that open it in a role."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api import paging
from bridge.api.operations import Operation
from bridge.api.paging import Paged
from bridge.api.services import Call
from bridge.api.wire import Answer, Page, Request, Text, Time
from bridge.domain.passcode import Role
from bridge.domain.tenancy import Passcode
from bridge.usecases import provision


class NewPasscode(Request):
    role: Role
    digits: Text | None = Field(None, description="a code of the owner's choice; generated when left out")


class PasscodeAnswer(Answer):
    id: UUID
    room_id: UUID
    role: Role
    state: str
    created_at: Time
    digits: str | None = Field(None, description="only where they may be revealed, as on creation")

    @classmethod
    def of(cls, passcode: Passcode) -> "PasscodeAnswer":
        return cls.model_validate(passcode, from_attributes=True)


async def create(call: Call) -> BaseModel:
    body: NewPasscode = call.body
    services = call.services
    made = await provision.add_passcode(services.tenants, services.keys, call.ids["room_id"], body.role, body.digits)
    return PasscodeAnswer.of(made)


async def read_page(call: Call) -> BaseModel:
    limit, room_id = call.query.limit, call.ids["room_id"]
    found = await call.services.tenants.passcodes(room_id, limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda passcode: str(passcode.id))
    return Page[PasscodeAnswer](items=[PasscodeAnswer.of(passcode) for passcode in page], next_cursor=cursor)


async def read(call: Call) -> BaseModel:
    return PasscodeAnswer.of(await call.services.tenants.passcode(call.ids["passcode_id"]))


async def revoke(call: Call) -> None:
    await call.services.tenants.revoke_passcode(call.ids["passcode_id"])


OPERATIONS: Final = (
    Operation(
        "create_passcode", "POST", "/v1/rooms/{room_id}/passcodes", "Add a passcode to a room", create,
        PasscodeAnswer, 201, body=NewPasscode, refusals=(409,),
    ),
    Operation(
        "list_passcodes", "GET", "/v1/rooms/{room_id}/passcodes", "List the passcodes of a room, without digits",
        read_page, Page[PasscodeAnswer], query=Paged,
    ),
    Operation(
        "get_passcode", "GET", "/v1/passcodes/{passcode_id}", "Read a passcode, without digits", read,
        PasscodeAnswer,
    ),
    Operation(
        "revoke_passcode", "DELETE", "/v1/passcodes/{passcode_id}", "Revoke a passcode, at once and for good", revoke,
        None, 204,
    ),
)  # fmt: skip
