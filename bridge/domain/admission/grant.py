"""Answers of the local directory: what a passcode or a known caller's number opens, or why it opens nothing now."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Space


class Bar(StrEnum):
    """A reason why a right code admits nobody. The caller hears the prompts of a wrong code for all of them."""

    SUSPENDED = "suspended"
    CLOSED = "closed"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"
    OTHER_NUMBER = "other_number"
    """The code belongs to an account that the dialled number is not for."""


@dataclass(frozen=True, slots=True)
class ParticipantLimits:
    """The most participants at a time: in the room, in all rooms of its sub-account, in all rooms of its account.

    None is no limit.
    """

    room: int | None = None
    sub_account: int | None = None
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The room and role that a live passcode, or a known caller's number, opens. It has no digits of a code.

    Ids are UUIDs in their usual text form. `passcode_id` is the known caller's id where no code was keyed.
    `pin` is the digest of a PIN that has to be keyed too, None where there is none. `uses_left` is None where uses are
    not limited.
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
        """The value of BRIDGE_TICKET, which [bridge-room] in the dialplan takes apart again."""
        return f"{self.account_id}:{self.sub_account_id}:{self.passcode_id}:{self.role}:{self.room_id}"


@dataclass(frozen=True, slots=True)
class Barred:
    """A right code that admits nobody now."""

    grant: Grant
    bar: Bar


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """An access number of this installation that a caller has dialled.

    `account_id` is the account that the number is dedicated to, None for a shared number.
    `space` names the set of codes that can be keyed there: `own` where the account of a dedicated number has its own.
    It is dialled over the trunks `trunk_ids` alone; without any, over all of them.
    """

    number: str
    account_id: str | None = None
    space: Space = Space.SHARED
    language: str = "en"
    greeting: str = ""
    trunk_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RoomOwner:
    """The account and sub-account that own a room."""

    account_id: str
    sub_account_id: str
