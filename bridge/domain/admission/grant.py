"""Whom a passcode or a known number lets in, where, and why not: what the local directory answers."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Space


class Bar(StrEnum):
    """Why a right code admits nobody. To the caller all of these sound like a wrong code."""

    SUSPENDED = "suspended"
    CLOSED = "closed"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"
    OTHER_NUMBER = "other_number"
    """The code belongs to an account that the dialled number is not for."""


@dataclass(frozen=True, slots=True)
class ParticipantLimits:
    """How many may be in the room, and in all rooms of the sub-account and of the account, at a time. None: any."""

    room: int | None = None
    sub_account: int | None = None
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What lets a caller in, without its digits: a live passcode, or a known caller. Ids are UUIDs in their usual text
    form; `passcode_id` is that of the known caller where no code was keyed.

    `pin` is the digest of a PIN that has to be keyed too. `uses_left` is None where uses are not limited.
    """

    passcode_id: str
    account_id: str
    sub_account_id: str
    room_id: str
    role: Role
    limits: ParticipantLimits = ParticipantLimits()
    pin: bytes | None = None
    uses_left: int | None = None

    @property
    def ticket(self) -> str:
        """What the dialplan's [bridge-room] takes apart again."""
        return f"{self.account_id}:{self.sub_account_id}:{self.passcode_id}:{self.role}:{self.room_id}"


@dataclass(frozen=True, slots=True)
class Barred:
    """A right code that admits nobody now."""

    entry: Grant
    bar: Bar


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """An access number of ours. `account_id` is that of the account it is dedicated to, None for a shared one.

    `space` is the set of codes that can be keyed there: `own` where the account of a dedicated number has its own.
    """

    number: str
    account_id: str | None = None
    space: Space = Space.SHARED
    language: str = "en"
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class RoomOwner:
    """To whom a room belongs."""

    account_id: str
    sub_account_id: str
