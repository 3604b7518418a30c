"""/v1/passcodes and /v1/rooms/{id}/passcodes: the digits by which callers join a room in a role."""

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
from bridge.domain.provisioning.code_lengths import IMPORT_LEAST, MAX_LENGTH
from bridge.domain.provisioning.passcode import PIN_DIGITS_MOST, Role
from bridge.domain.provisioning.tenants import Passcode, PasscodeTerms
from bridge.domain.provisioning.validation import LABEL_MAX, USES_MAX
from bridge.usecases.provisioning import import_passcodes, pacing, provision_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import PasscodeFilter
from bridge.usecases.provisioning.provision_passcodes import BULK_MOST, OVERLAP_MOST

Label = Annotated[
    Text,
    Field(max_length=LABEL_MAX, description="Free text: for whom or what the passcode is.", examples=["board call"]),
]
From = Annotated[GivenTime | None, Field(description="The passcode works from this instant on. Null: at once.")]
Until = Annotated[GivenTime | None, Field(description="The passcode works before this instant. Null: without end.")]
MaxUses = Annotated[
    int | None, Field(ge=1, le=USES_MAX, description="Most calls that the passcode lets in. Null: no limit.")
]


class _PasscodeTerms(Request):
    """All that a passcode is created with, beside its digits."""

    role: Role = Role.GUEST
    label: Label = ""
    valid_from: From = None
    valid_until: Until = None
    max_uses: MaxUses = None
    pin: Text | None = Field(
        None,
        max_length=PIN_DIGITS_MOST,
        description="A PIN that callers enter after the passcode: `generate`, or 6 to 10 digits of your choice.",
    )

    def with_digits(self, digits: str | None) -> WantedCode:
        terms = PasscodeTerms(self.label, self.valid_from, self.valid_until, self.max_uses)
        return WantedCode(self.role, digits, terms, self.pin)


class NewPasscode(_PasscodeTerms):
    """A passcode to create."""

    digits: Text | None = Field(
        None,
        max_length=MAX_LENGTH,
        description="Digits of your choice, as many as generated ones have now. Left out, they are generated, which is "
        "safer.",
    )

    def wanted(self) -> WantedCode:
        return self.with_digits(self.digits)


class NewPasscodes(Request):
    """Passcodes to create. All are created, or none."""

    items: list[NewPasscode] = Field(min_length=1, max_length=BULK_MOST)


class PasscodeToImport(_PasscodeTerms):
    """A passcode of another bridge."""

    digits: Text = Field(
        min_length=IMPORT_LEAST, max_length=MAX_LENGTH, description="The digits that callers enter today."
    )

    def wanted(self) -> WantedCode:
        return self.with_digits(self.digits)


class PasscodesToImport(Request):
    """Passcodes of another bridge. All are stored, or none."""

    items: list[PasscodeToImport] = Field(min_length=1, max_length=BULK_MOST)


class PasscodeChange(Change):
    """A change of a passcode."""

    label: Label = kept()
    valid_from: From = kept()
    valid_until: Until = kept()
    max_uses: MaxUses = kept()


class PasscodeRotation(Request):
    """The terms of a rotation."""

    overlap_s: int = Field(
        0,
        ge=0,
        le=OVERLAP_MOST // timedelta(seconds=1),
        description="Seconds for which the old digits still work. 0: they are revoked at once.",
    )


class PasscodeSchema(Answer):
    """Digits that a caller enters to join a room in a role."""

    id: UUID
    room_id: UUID
    role: Role
    state: Literal["live", "revoked"] = Field(description="`revoked` is final.")
    created_at: Time
    digits: str | None = Field(None, description="The digits, on creation and rotation only; otherwise null.")
    label: str = Field(description="Free text: for whom or what the passcode is; may be empty.")
    chosen: bool = Field(
        description="True if the owner chose the digits or they were imported, false if they were generated."
    )
    valid_from: Time | None = Field(description="The passcode works from this instant on. Null: at once.")
    valid_until: Time | None = Field(description="The passcode works before this instant. Null: without end.")
    max_uses: int | None = Field(description="Most calls that the passcode lets in. Null: no limit.")
    uses: int = Field(description="Calls that the passcode has let in.")
    has_pin: bool = Field(description="True if callers enter a PIN after the passcode.")
    pin: str | None = Field(None, description="The PIN, on creation and rotation only; otherwise null.")
    replaces: UUID | None = Field(description="Id of the passcode that this one replaced by rotation.")
    revoked_at: Time | None
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")

    @classmethod
    def of(cls, passcode: Passcode) -> "PasscodeSchema":
        return cls.model_validate(passcode, from_attributes=True)


class GuessOddsSchema(Answer):
    """The odds that one entry of random digits opens any room on the numbers where these passcodes work."""

    before: float = Field(description="The odds before the import.")
    after: float = Field(description="The odds now.")
    setting: float = Field(description="`BRIDGE_GUESS_ODDS`, which generated passcodes never exceed by themselves.")
    new_digits_before: int | None = Field(description="Digits of a passcode generated before. Null: none had fitted.")
    new_digits: int | None = Field(description="Digits of a passcode that is generated now. Null: none fits any more.")


class ImportedPasscodesSchema(Answer):
    """The passcodes that were imported, and what they do to the odds of a guess."""

    items: list[PasscodeSchema]
    odds: GuessOddsSchema
    warnings: list[str] = Field(description="What the import does to the odds, in words; empty if they stay bounded.")


class RevealedPasscodeSchema(Answer):
    """The secrets of a passcode."""

    id: UUID
    digits: str
    pin: str | None = Field(description="Null if the passcode has no PIN.")


class PasscodesQuery(Paged):
    state: Literal["live", "revoked"] | None = Field(None, description="Only passcodes in this state.")
    role: Role | None = Field(None, description="Only passcodes with this role.")


async def create(request: ApiRequest) -> BaseModel:
    services = request.services
    one: WantedCode = request.body.wanted()
    made = await provision_passcodes.add_passcode(
        services.tenants,
        services.keys,
        request.ids["room_id"],
        one.role,
        one.digits,
        one.terms,
        one.pin,
        tenant=request.principal.account_id,
    )
    return PasscodeSchema.of(made)


async def create_many(request: ApiRequest) -> BaseModel:
    """Up to 5000 passcodes, as JSON or CSV. If one is invalid, none is created, and the problem names the rows.

    Only an operator key may choose `digits` here.
    """
    services = request.services
    wanted = [one.wanted() async for one in pacing.with_pauses(request.body.items)]
    made = await provision_passcodes.add_many_passcodes(
        services.tenants, services.keys, request.ids["room_id"], wanted, tenant=request.principal.account_id
    )
    return await listing.made(PasscodeSchema, PasscodeSchema.of, made)


async def import_many(request: ApiRequest) -> BaseModel:
    """Up to 5000 passcodes of 4 to 16 digits, as JSON or CSV, weak ones too.

    If one is invalid or taken, none is stored. Short passcodes are easier to guess: the response says by how much.
    Passcodes that are made later are at least as long as the longest one.
    """
    services = request.services
    wanted = [one.wanted() async for one in pacing.with_pauses(request.body.items)]
    done = await import_passcodes.import_passcodes(services.tenants, services.keys, request.ids["room_id"], wanted)
    before, after = done.odds
    odds = GuessOddsSchema(
        before=float(before),
        after=float(after),
        setting=float(done.lengths.guess_odds),
        new_digits_before=done.lengths.next(done.before),
        new_digits=done.lengths.next(done.after),
    )
    items = [PasscodeSchema.of(one) async for one in pacing.with_pauses(done.passcodes)]
    return ImportedPasscodesSchema.model_construct(items=items, odds=odds, warnings=list(done.warnings))


async def read_page(request: ApiRequest) -> BaseModel:
    query: PasscodesQuery = request.query
    wanted = PasscodeFilter(query.state, query.role)
    find = partial(request.services.tenants.passcodes, request.ids["room_id"], wanted=wanted)
    return await listing.page(request, PasscodeSchema, PasscodeSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return PasscodeSchema.of(await request.services.tenants.passcode(request.ids["passcode_id"]))


async def change(request: ApiRequest) -> BaseModel:
    passcode_id, changes = request.ids["passcode_id"], request.body.to(PasscodeChanges)
    made = await provision_passcodes.change_passcode(request.services.tenants, passcode_id, changes, request.expected)
    return PasscodeSchema.of(made)


async def revoke(request: ApiRequest) -> None:
    await request.services.tenants.revoke_passcode(request.ids["passcode_id"], request.expected)
    _end_those_inside(request)


async def rotate(request: ApiRequest) -> BaseModel:
    """Creates a passcode with new digits and the same role, label and limits. The response shows the new digits."""
    services, overlap = request.services, timedelta(seconds=request.body.overlap_s)
    made = await provision_passcodes.rotate_passcode(
        services.tenants, services.keys, request.ids["passcode_id"], datetime.now(UTC), overlap, request.expected
    )
    _end_those_inside(request)
    return PasscodeSchema.of(made)


async def reveal(request: ApiRequest) -> BaseModel:
    """Each call is recorded in the audit log."""
    services, passcode_id = request.services, request.ids["passcode_id"]
    digits, pin = await provision_passcodes.reveal_all(services.tenants, services.keys, passcode_id)
    return RevealedPasscodeSchema(id=passcode_id, digits=digits, pin=pin)


def _end_those_inside(request: ApiRequest) -> None:
    if request.query.disconnect:
        request.afterwards.append(
            partial(request.services.participants.hang_up, passcode_id=request.ids["passcode_id"])
        )


OPERATIONS: Final = (
    Operation(
        "create_passcode", "POST", "/v1/rooms/{room_id}/passcodes", "Add a passcode to a room", create,
        PasscodeSchema, 201, body=NewPasscode, refusals=(409, 429), scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "create_passcodes", "POST", "/v1/rooms/{room_id}/passcodes/bulk", "Add many passcodes to a room",
        create_many, Made[PasscodeSchema], 201, body=NewPasscodes, refusals=(409, 429), scope=Scope.SUB_ACCOUNT,
        bulk=True,
    ),
    Operation(
        "import_passcodes", "POST", "/v1/rooms/{room_id}/passcodes/import", "Import passcodes of another bridge",
        import_many, ImportedPasscodesSchema, 201, body=PasscodesToImport, refusals=(409,), bulk=True,
    ),
    Operation(
        "list_passcodes", "GET", "/v1/rooms/{room_id}/passcodes", "List the passcodes of a room, without digits",
        read_page, Page[PasscodeSchema], query=PasscodesQuery, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_passcode", "GET", "/v1/passcodes/{passcode_id}", "Read a passcode, without digits", read,
        PasscodeSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_passcode", "PATCH", "/v1/passcodes/{passcode_id}", "Change the label or limits of a passcode",
        change, PasscodeSchema, body=PasscodeChange, refusals=(409,), scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "revoke_passcode", "DELETE", "/v1/passcodes/{passcode_id}", "Revoke a passcode, at once and for good", revoke,
        None, 204, query=Leaving, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "rotate_passcode", "POST", "/v1/passcodes/{passcode_id}/rotate", "Replace the digits of a passcode", rotate,
        PasscodeSchema, 201, body=PasscodeRotation, query=Leaving, refusals=(409,), scope=Scope.SUB_ACCOUNT,
        versioned=True,
    ),
    Operation(
        "reveal_passcode", "POST", "/v1/passcodes/{passcode_id}/reveal",
        "Show the digits and the PIN of a passcode", reveal,
        RevealedPasscodeSchema, refusals=(409,), scope=Scope.SUB_ACCOUNT,
    ),
)  # fmt: skip
