"""What a caller's own phone recorded of a call: the independent witness of every minute record."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CallLog:
    """One call as SIPp saw it, on this machine's clock, to the microsecond.

    `status` is the final status of the INVITE. `ended_at` is when BYE or CANCEL was sent or received, or refusal came.
    """

    call_id: str
    invited_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: Literal["caller", "far end"] | None = None
    status: int | None = None

    @property
    def talked(self) -> timedelta:
        """From answer to end; zero for a call that was never answered or never ended."""
        if self.answered_at is None or self.ended_at is None:
            return timedelta(0)
        return self.ended_at - self.answered_at


@dataclass(frozen=True, slots=True)
class Message:
    """A line of SIPp's short message log: `sent` or received, `CSeq` method, first line of the message."""

    at: datetime
    sent: bool
    call_id: str
    method: str
    first_line: str

    @property
    def status(self) -> int | None:
        """The status of a response."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0 ") else None


def read(text: str) -> dict[str, CallLog]:
    """Calls by Call-ID, in the order of their INVITEs, out of what SIPp's `-trace_shortmsg` wrote."""
    by_call: dict[str, list[Message]] = {}
    for line in text.splitlines():
        if message := _message(line):
            by_call.setdefault(message.call_id, []).append(message)
    return {call_id: log for call_id, messages in by_call.items() if (log := _fold(call_id, messages))}


def _message(line: str) -> Message | None:
    # Date, time, seconds since 1970, S or R, Call-ID, "CSeq:1 INVITE", first line.
    fields = line.rstrip("\r").split("\t", 6)
    if len(fields) != 7 or fields[3] not in ("S", "R"):
        return None
    seconds, _, microseconds = fields[2].partition(".")
    at = EPOCH + timedelta(seconds=int(seconds), microseconds=int(microseconds))
    return Message(at, fields[3] == "S", fields[4], fields[5].split()[-1], fields[6])


def _fold(call_id: str, messages: Iterable[Message]) -> CallLog | None:
    everything = list(messages)
    invite = next((m for m in everything if m.method == "INVITE" and m.sent and m.status is None), None)
    final = next((m for m in everything if m.method == "INVITE" and (m.status or 0) >= 200), None)
    answer = final if final is not None and (final.status or 0) < 300 else None
    bye = next((m for m in everything if m.method == "BYE" and m.status is None), None)
    cancel = next((m for m in everything if m.method == "CANCEL" and m.status is None), None)
    # A CANCEL that crossed the answer ended nothing; the BYE after it did.
    end = bye if answer else cancel or final
    if invite is None:
        return None
    return CallLog(
        call_id,
        invited_at=invite.at,
        answered_at=answer.at if answer else None,
        ended_at=end.at if end else None,
        ended_by=None if end is None else "caller" if end.sent else "far end",
        status=final.status if final else None,
    )
