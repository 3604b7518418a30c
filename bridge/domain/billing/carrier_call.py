"""One call as two books tell it: the carrier's, read off its file, and ours, read off the ledger."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

CALL_ID_MAX: Final = 128
_NOT_KEPT: Final = re.compile(r"[^-0-9A-Za-z@.:_]")


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """One line of a carrier's file. Times are µs since 1970, UTC.

    `caller`, `number` (dialled) and `sip_call_id` are empty where the file does not tell them. `at_us` is when the call
    was answered (`from_answer`), or else when it arrived. `duration_us` is what the carrier bills, answer to hang-up.
    """

    line: int
    caller: str
    number: str
    sip_call_id: str
    at_us: int
    from_answer: bool
    duration_us: int | None
    answered: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of a carrier's file that is no call, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class OwnCall:
    """One leg on our switch, from arrival to end. Times are µs since 1970, UTC; `ended_us` is None while open."""

    id: UUID
    node: str
    uniqueid: str
    caller: str
    number: str
    sip_call_id: str
    started_us: int
    answered_us: int | None
    ended_us: int | None
    outcome: str
    evidence: str | None

    @property
    def duration_us(self) -> int | None:
        """Answer to hang-up: None while open, 0 when never answered."""
        if self.ended_us is None:
            return None
        return 0 if self.answered_us is None else max(0, self.ended_us - self.answered_us)

    def at(self, from_answer: bool) -> int:
        """When it was answered, as far as it was and that is asked for; else when it arrived."""
        return self.answered_us if from_answer and self.answered_us is not None else self.started_us


def start_difference_us(theirs: CarrierCall, ours: OwnCall) -> int:
    """How much later the carrier's clock puts the call."""
    return theirs.at_us - ours.at(theirs.from_answer)


def duration_difference_us(theirs: CarrierCall, ours: OwnCall) -> int | None:
    """How much longer the carrier's call is. None when either side does not tell."""
    if theirs.duration_us is None or ours.duration_us is None:
        return None
    return theirs.duration_us - ours.duration_us


def call_id(text: str) -> str:
    """A SIP Call-ID as the dialplan keeps it: the first 128 characters, and of these the harmless ones."""
    return _NOT_KEPT.sub("", text[:CALL_ID_MAX])
