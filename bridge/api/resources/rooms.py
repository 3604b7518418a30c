"""/v1/rooms and /v1/sub-accounts/{id}/rooms: the places where conferences are held."""

from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, Leaving, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Time
from bridge.api.resources.passcodes import PasscodeSchema
from bridge.domain.access.principal import Scope
from bridge.domain.provisioning.changes import RoomChanges, RoomFields
from bridge.domain.provisioning.tenants import Room, State
from bridge.domain.provisioning.validation import PARTICIPANTS_MAX
from bridge.usecases.provisioning import provision, update

MaxParticipants = Annotated[
    int | None,
    Field(ge=1, le=PARTICIPANTS_MAX, description="Most participants at a time, hosts included. Null: no limit."),
]


class NewRoom(Request):
    """A room to create. It gets a host passcode and a guest passcode."""

    name: Name = Field(examples=["Board room"])
    max_participants: MaxParticipants = None


class RoomChange(Change):
    """A change of a room."""

    name: Name = kept()
    max_participants: MaxParticipants = kept()


class RoomSchema(Answer):
    """A conference room of a sub-account."""

    id: UUID
    sub_account_id: UUID
    name: str
    state: Literal["active", "closed"] = Field(description="`closed` is final: nobody can join any more.")
    max_participants: int | None = Field(description="Most participants at a time, hosts included. Null: no limit.")
    created_at: Time
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")
    passcodes: list[PasscodeSchema] = Field(
        description="The first 50 live passcodes, with digits only on creation. `/v1/rooms/{id}/passcodes` lists all."
    )

    @classmethod
    def of(cls, room: Room) -> "RoomSchema":
        return cls.model_validate(room, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    services, fields = request.services, RoomFields(**dict(request.body))
    made = await provision.add_room(services.tenants, services.keys, request.ids["sub_account_id"], fields)
    return RoomSchema.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    find = partial(request.services.tenants.rooms, request.ids["sub_account_id"])
    return await listing.page(request, RoomSchema, RoomSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return RoomSchema.of(await request.services.tenants.room(request.ids["room_id"]))


async def change(request: ApiRequest) -> BaseModel:
    room_id, changes = request.ids["room_id"], request.body.to(RoomChanges)
    return RoomSchema.of(await update.change_room(request.services.tenants, room_id, changes, request.expected))


async def close(request: ApiRequest) -> None:
    room_id = request.ids["room_id"]
    await update.change_room(request.services.tenants, room_id, RoomChanges(state=State.CLOSED), request.expected)
    if request.query.disconnect:
        request.afterwards.append(partial(request.services.participants.hang_up, room_id=room_id))


OPERATIONS: Final = (
    Operation(
        "create_room", "POST", "/v1/sub-accounts/{sub_account_id}/rooms",
        "Add a room to a sub-account, with a host passcode and a guest passcode", create,
        RoomSchema, 201, body=NewRoom, refusals=(409,), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_rooms", "GET", "/v1/sub-accounts/{sub_account_id}/rooms", "List the rooms of a sub-account", read_page,
        Page[RoomSchema], query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_room", "GET", "/v1/rooms/{room_id}", "Read a room", read,
        RoomSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_room", "PATCH", "/v1/rooms/{room_id}", "Change a room", change,
        RoomSchema, body=RoomChange, refusals=(409,), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "close_room", "DELETE", "/v1/rooms/{room_id}", "Close a room for good, and revoke its passcodes", close,
        None, 204, query=Leaving, scope=Scope.ACCOUNT, versioned=True,
    ),
)  # fmt: skip
