"""/v1/passcodes and those of a room: digits that open it in a role."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.listing import Made
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, Leaving, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, GivenTime, Page, Request, Text, Time
from bridge.domain.access.principal import Scope
from bridge.domain.provisioning.changes import PasscodeChanges
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Passcode, PasscodeTerms
from bridge.domain.provisioning.validation import LABEL_MAX, USES_MAX
from bridge.usecases.provisioning import provision_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import PasscodeFilter
from bridge.usecases.provisioning.provision_passcodes import BULK_MOST, OVERLAP_MOST

Label = Annotated[Text, Field(max_length=LABEL_MAX, description="whom or what it is for", examples=["board call"])]
From = Annotated[GivenTime | None, Field(description="admits from then on; null: at once")]
Until = Annotated[GivenTime | None, Field(description="admits until then; null: for ever")]
MaxUses = Annotated[int | None, Field(ge=1, le=USES_MAX, description="admits so often; null: any number of times")]


class NewPasscode(Request):
    role: Role = Role.GUEST
    digits: Text | None = Field(None, max_length=16, description="a code of the owner's choice; generated if left out")
    label: Label = ""
    valid_from: From = None
    valid_until: Until = None
    max_uses: MaxUses = None
    pin: Text | None = Field(
        None, max_length=10, description="a second step: `generate`, or 6 to 10 digits of the owner's choice"
    )

    def wanted(self) -> WantedCode:
        terms = PasscodeTerms(self.label, self.valid_from, self.valid_until, self.max_uses)
        return WantedCode(self.role, self.digits, terms, self.pin)


class NewPasscodes(Request):
    items: list[NewPasscode] = Field(min_length=1, max_length=BULK_MOST)


class PasscodeChange(Change):
    label: Label = kept()
    valid_from: From = kept()
    valid_until: Until = kept()
    max_uses: MaxUses = kept()


class Rotation(Request):
    overlap_s: int = Field(
        0, ge=0, le=OVERLAP_MOST // timedelta(seconds=1), description="how long the old code still admits"
    )


class PasscodeAnswer(Answer):
    id: UUID
    room_id: UUID
    role: Role
    state: Literal["live", "revoked"]
    created_at: Time
    digits: str | None = Field(None, description="only where they may be revealed, as on creation")
    label: str
    chosen: bool = Field(description="whether its owner chose the digits")
    valid_from: Time | None
    valid_until: Time | None
    max_uses: int | None
    uses: int
    has_pin: bool
    pin: str | None = Field(None, description="only where it may be revealed, as on creation")
    replaces: UUID | None = Field(description="the passcode it was rotated from")
    revoked_at: Time | None
    version: int

    @classmethod
    def of(cls, passcode: Passcode) -> "PasscodeAnswer":
        return cls.model_validate(passcode, from_attributes=True)


class Revealed(Answer):
    id: UUID
    digits: str
    pin: str | None


class PasscodesQuery(Paged):
    state: Literal["live", "revoked"] | None = None
    role: Role | None = None


async def create(request: ApiRequest) -> BaseModel:
    services = request.services
    one: WantedCode = request.body.wanted()
    made = await provision_passcodes.add_passcode(
        services.tenants, services.keys, request.ids["room_id"], one.role, one.digits, one.terms, one.pin
    )
    return PasscodeAnswer.of(made)


async def create_many(request: ApiRequest) -> BaseModel:
    services, wanted = request.services, [one.wanted() for one in request.body.items]
    made = await provision_passcodes.add_passcodes(services.tenants, services.keys, request.ids["room_id"], wanted)
    return await listing.made(PasscodeAnswer, PasscodeAnswer.of, made)


async def read_page(request: ApiRequest) -> BaseModel:
    query: PasscodesQuery = request.query
    wanted = PasscodeFilter(query.state, query.role)
    find = partial(request.services.tenants.passcodes, request.ids["room_id"], wanted=wanted)
    return await listing.page(request, PasscodeAnswer, PasscodeAnswer.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return PasscodeAnswer.of(await request.services.tenants.passcode(request.ids["passcode_id"]))


async def change(request: ApiRequest) -> BaseModel:
    passcode_id, changes = request.ids["passcode_id"], request.body.to(PasscodeChanges)
    made = await provision_passcodes.change_passcode(request.services.tenants, passcode_id, changes, request.expected)
    return PasscodeAnswer.of(made)


async def revoke(request: ApiRequest) -> None:
    await request.services.tenants.revoke_passcode(request.ids["passcode_id"], request.expected)
    _end_those_inside(request)


async def rotate(request: ApiRequest) -> BaseModel:
    services, overlap = request.services, timedelta(seconds=request.body.overlap_s)
    made = await provision_passcodes.rotate_passcode(
        services.tenants, services.keys, request.ids["passcode_id"], datetime.now(UTC), overlap, request.expected
    )
    _end_those_inside(request)
    return PasscodeAnswer.of(made)


async def reveal(request: ApiRequest) -> BaseModel:
    services, passcode_id = request.services, request.ids["passcode_id"]
    digits, pin = await provision_passcodes.reveal_all(services.tenants, services.keys, passcode_id)
    return Revealed(id=passcode_id, digits=digits, pin=pin)


def _end_those_inside(request: ApiRequest) -> None:
    if request.query.disconnect:
        request.afterwards.append(
            partial(request.services.participants.hang_up, passcode_id=request.ids["passcode_id"])
        )


OPERATIONS: Final = (
    Operation(
        "create_passcode", "POST", "/v1/rooms/{room_id}/passcodes", "Add a passcode to a room", create,
        PasscodeAnswer, 201, body=NewPasscode, refusals=(409, 429), scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "create_passcodes", "POST", "/v1/rooms/{room_id}/passcodes/bulk", "Add many passcodes to a room, or none",
        create_many, Made[PasscodeAnswer], 201, body=NewPasscodes, refusals=(409, 429), scope=Scope.SUB_ACCOUNT,
        bulk=True,
    ),
    Operation(
        "list_passcodes", "GET", "/v1/rooms/{room_id}/passcodes", "List the passcodes of a room, without digits",
        read_page, Page[PasscodeAnswer], query=PasscodesQuery, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_passcode", "GET", "/v1/passcodes/{passcode_id}", "Read a passcode, without digits", read,
        PasscodeAnswer, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_passcode", "PATCH", "/v1/passcodes/{passcode_id}", "Change when and how often a passcode admits",
        change, PasscodeAnswer, body=PasscodeChange, refusals=(409,), scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "revoke_passcode", "DELETE", "/v1/passcodes/{passcode_id}", "Revoke a passcode, at once and for good", revoke,
        None, 204, query=Leaving, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "rotate_passcode", "POST", "/v1/passcodes/{passcode_id}/rotate", "Replace a passcode by new digits", rotate,
        PasscodeAnswer, 201, body=Rotation, query=Leaving, refusals=(409,), scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "reveal_passcode", "POST", "/v1/passcodes/{passcode_id}/reveal",
        "Show the digits of a passcode, which is written down", reveal,
        Revealed, refusals=(409,), scope=Scope.SUB_ACCOUNT,
    ),
)  # fmt: skip
