"""One call as two sides record it: the carrier in its file, and our ledger."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

CALL_ID_MAX: Final = 128
_NOT_KEPT: Final = re.compile(r"[^-0-9A-Za-z@.:_]")


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """One line of a carrier's file. Times are µs since 1970, UTC.

    `caller`, `number` (dialled) and `sip_call_id` are empty where the file does not have them. `at_us` is when the call
    was answered (`from_answer`), or else when it arrived. `duration_us` is the billed time from answer to hang-up.
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
    """A line of a carrier's file that is no call, and the reason."""

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
        """The time from answer to hang-up: None while open, 0 if never answered."""
        if self.ended_us is None:
            return None
        return 0 if self.answered_us is None else max(0, self.ended_us - self.answered_us)

    def at(self, from_answer: bool) -> int:
        """When the call was answered, if it was and `from_answer` is True; else when it arrived."""
        return self.answered_us if from_answer and self.answered_us is not None else self.started_us


def start_difference_us(theirs: CarrierCall, ours: OwnCall) -> int:
    """The time by which the carrier has the call later."""
    return theirs.at_us - ours.at(theirs.from_answer)


def duration_difference_us(theirs: CarrierCall, ours: OwnCall) -> int | None:
    """The time by which the carrier's call is longer. None if either side has no duration."""
    if theirs.duration_us is None or ours.duration_us is None:
        return None
    return theirs.duration_us - ours.duration_us


def call_id(text: str) -> str:
    """A SIP Call-ID as the dialplan keeps it: the first 128 characters, and of these the harmless ones."""
    return _NOT_KEPT.sub("", text[:CALL_ID_MAX])
