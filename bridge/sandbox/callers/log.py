"""The history of a call on the caller's side, from the SIP messages that SIPp recorded."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from bridge.sandbox.callers.sipp import Message


@dataclass(frozen=True, slots=True)
class CallLog:
    """One call. Times are UTC, in microseconds, on the caller's clock; None if a thing did not happen.

    `status` is the final response to INVITE: 200, 404, 486, 487 after CANCEL, None if none came. `ended_at` is when the
    first BYE or CANCEL was sent or received, or the refusal received. `media` is the address to send audio to.
    """

    call_id: str = ""
    invited_at: datetime | None = None
    proceeding_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: Literal["caller", "far end"] | None = None
    status: int | None = None
    media: tuple[str, int] | None = None

    @property
    def seconds(self) -> float:
        """Seconds from answer to end; 0 for a call that was not answered or did not end."""
        if self.answered_at is None or self.ended_at is None:
            return 0.0
        return (self.ended_at - self.answered_at).total_seconds()

    def after(self, message: Message) -> "CallLog":
        """Return the log with one more message. A repeated message changes nothing."""
        match message.method, message.status:
            case "INVITE", None if message.sent and self.invited_at is None:
                return replace(self, call_id=message.header("Call-ID"), invited_at=message.at)
            case "INVITE", int(status) if not message.sent and self.status is None:
                return self._answer(status, message)
            case (("BYE" | "CANCEL"), None) if self.ended_at is None:
                return replace(self, ended_at=message.at, ended_by="caller" if message.sent else "far end")
        return self

    def _answer(self, status: int, message: Message) -> "CallLog":
        if status < 200:
            return replace(self, proceeding_at=self.proceeding_at or message.at)
        if status < 300:
            # If this answer crossed a CANCEL, the call ends only by the BYE that follows.
            return replace(
                self, status=status, answered_at=message.at, ended_at=None, ended_by=None, media=message.media
            )
        if self.ended_at is not None:
            return replace(self, status=status)
        return replace(self, status=status, ended_at=message.at, ended_by="far end")
