"""Refused entries and calls. They are kept without digits, so that guessing can be seen and complaints answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from bridge.domain.admission.bucket import BucketKind


class Refusal(StrEnum):
    """A reason why an entry was refused. Every `Bar` is among them, by the same name."""

    WRONG = "wrong"
    WRONG_PIN = "wrong_pin"
    ABANDONED = "abandoned"
    """The caller keyed as many digits as a code has, and hung up before they were judged."""
    SUSPENDED = "suspended"
    CLOSED = "closed"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"
    OTHER_NUMBER = "other_number"
    BLOCKED = "blocked"
    """Versions of before blocked a caller's number for a while."""
    NOT_JUDGED = "not_judged"
    """The entry had to wait until it could be judged, and the caller hung up, or it had waited too long."""
    ROOM_FULL = "room_full"
    SUB_ACCOUNT_FULL = "sub_account_full"
    ACCOUNT_FULL = "account_full"
    UNKNOWN_NUMBER = "unknown_number"
    """The number that was dialled is no access number."""
    OTHER_TRUNK = "other_trunk"
    """The number that was dialled is dialled over other trunks alone."""
    TRUNK_FULL = "trunk_full"
    TOO_MANY_DIALOGUES = "too_many_dialogues"
    """As many callers of this trunk, access number or caller's number as there may be are on their way in."""
    NODE_FULL = "node_full"
    """The audio ports of this node are taken, but for those that are kept for known callers."""
    NOT_READY = "not_ready"
    """This node admits nobody now: its minutes can't be metered, or it has no directory yet."""
    MEDIA_ELSEWHERE = "media_elsewhere"
    """The call's audio would go to an address that is none of the trunk's media networks."""


UNANSWERED: Final = frozenset(
    {
        Refusal.UNKNOWN_NUMBER,
        Refusal.OTHER_TRUNK,
        Refusal.TRUNK_FULL,
        Refusal.TOO_MANY_DIALOGUES,
        Refusal.NODE_FULL,
        Refusal.NOT_READY,
    }
)
"""Refusals of calls that nobody has answered: nothing was entered, and the call costs the caller nothing."""


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """One refused entry, or a call to a number that is none: `access_number` is then what was dialled.

    `trunk` is the address that the call came from, `trunk_id` the trunk, None for the unnamed one. The ids of account,
    sub-account and passcode are known only where the code was right and something else was not. `waited_for` is the
    bucket that was short, None if the entry did not have to wait. `chance` is the chance that a guess like this had to
    open something. It tells how many codes there are, so the operator alone may see it.
    """

    id: UUID
    created_at: datetime
    node: str
    uniqueid: str
    caller: str
    access_number: str
    trunk: str
    reason: Refusal
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    passcode_id: UUID | None = None
    trunk_id: UUID | None = None
    waited_for: BucketKind | None = None
    chance: float = 0.0
