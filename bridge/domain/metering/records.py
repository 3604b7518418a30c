"""Calls, stays and minute records: the journal is folded into them, and a bill is made of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

_IDENTITIES = UUID("6f0a3e5c-6d0b-5c1e-9a55-2f1d0a3b7c11")
CAUSE_DISCONNECTED = 21
"""The cause (Q.850: call rejected) by which the daemon hangs up on participants; nothing else ends a stay by it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Evidence(StrEnum):
    """The evidence for the end of a stay."""

    MEASURED = "measured"
    """The switch logged both ends while it was alive and awake."""
    ESTIMATED = "estimated"
    """The end is the last instant that can be proved; the stay may have lasted longer by the error bound."""


class Reason(StrEnum):
    """The reason why a participant left."""

    HUNG_UP = "hung_up"
    KICKED = "kicked"
    ENDED_BY_HOST = "ended_by_host"
    LEFT_ROOM = "left_room"
    LONGEST_STAY = "longest_stay"
    MEDIA_LOST = "media_lost"
    SWITCH_STOPPED = "switch_stopped"
    SWITCH_LOST = "switch_lost"
    DISCONNECTED = "disconnected"
    """Hung up on from outside the conference: the passcode was revoked, the room or its owner closed or suspended."""
    DROPPED = "dropped"
    NOT_IN_JOURNAL = "not_in_journal"
    """There was no stay: a correction of a record that the journal knows nothing of. Its length is 0."""


class Outcome(StrEnum):
    """The outcome of a call."""

    JOINED = "joined"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    """The caller was prompted and hung up before a passcode was complete."""
    UNSERVED = "unserved"
    """The caller hung up, or was asked to call later, before any prompt."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a stay: four values of one journal line, so that a stay which is read twice is one stay.

    `bridge_id` is empty where the line of the join was torn or lost.
    """

    node: str
    uniqueid: str
    bridge_id: str
    joined_us: int

    @property
    def id(self) -> UUID:
        """The public id of the stay, open or closed."""
        return uuid5(_IDENTITIES, f"{self.node}|{self.uniqueid}|{self.bridge_id}|{self.joined_us}")


@dataclass(frozen=True, slots=True)
class OpenStay:
    """A participant in a room. Once `left_us` is known the stay is over, and waits only for the reason.

    `deducted_us` is time that the clock skipped in steps forward, `doubt_us` are gaps that may have been such steps.
    Both are taken off when the stay ends. `result` is the text of LEFT, empty before that line. `seen_us` is when the
    daemon last saw the participant in the room. `exit_bridge_id` is the bridge by the exit, where the line of the join
    does not name it.
    """

    identity: Identity
    boot: str
    room: str
    account_id: str
    sub_account_id: str
    passcode_id: str
    role: str
    project_code: str
    channel: str
    caller: str
    access_number: str
    left_us: int | None = None
    evidence: Evidence = Evidence.MEASURED
    error_bound_us: int = 0
    result: str = ""
    deducted_us: int = 0
    doubt_us: int = 0
    seen_us: int = 0
    exit_bridge_id: str = ""

    @property
    def bridge_id(self) -> str:
        """The bridge, as far as any line names it."""
        return self.identity.bridge_id or self.exit_bridge_id

    @property
    def conference_id(self) -> UUID:
        """The id of the conference: Asterisk makes a new bridge each time a room fills anew.

        Where no line names the bridge, the stay has a conference of its own.
        """
        bridge = self.bridge_id or f"{self.identity.uniqueid}|{self.identity.joined_us}"
        return uuid5(_IDENTITIES, f"{self.identity.node}|{bridge}")


@dataclass(frozen=True, slots=True)
class MinuteRecord:
    """One stay of one participant in one conference, closed."""

    stay: OpenStay
    left_us: int
    reason: Reason
    evidence: Evidence
    error_bound_us: int

    @property
    def duration_us(self) -> int:
        return self.left_us - self.stay.identity.joined_us


@dataclass(frozen=True, slots=True)
class OpenCall:
    """One leg on the switch, not hung up yet. Times are µs since 1970, UTC."""

    node: str
    boot: str
    uniqueid: str
    channel: str
    caller: str
    access_number: str
    sip_call_id: str
    started_us: int
    answered_us: int | None = None
    outcome: Outcome = Outcome.UNSERVED
    evidence: Evidence = Evidence.MEASURED
    """Estimated when the line that begins a call is lost: it began before `started_us`."""

    @property
    def id(self) -> UUID:
        return uuid5(_IDENTITIES, f"call|{self.node}|{self.uniqueid}|{self.started_us}")


@dataclass(frozen=True, slots=True)
class Call:
    """One leg on the switch from its arrival to its end, with its outcome."""

    call: OpenCall
    ended_us: int
    cause: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Incident:
    """Something in the journal or the ledger that an operator should see. Never billable."""

    at: int
    kind: str
    subject: str


Change = OpenCall | Call | OpenStay | MinuteRecord | Incident
"""One change that a fact makes: a row to put or to close, or an incident. Putting a row twice changes nothing."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay as it stands in the ledger, open or closed, with its charge when it has one.

    `amount` is in the account's currency; it and `billed_seconds` are None while the stay is open, or unrated.
    `corrects` is the id of the record that this one stands in for. `caller_name` is the sub-account's name for the
    caller's number when the stay began.
    """

    id: UUID
    account_id: UUID | None
    sub_account_id: UUID | None
    user_id: str | None
    room_id: UUID | None
    conference_id: UUID
    uniqueid: str
    role: str
    caller: str
    access_number: str
    project_code: str
    joined_at: datetime
    left_at: datetime | None
    left_reason: str | None
    duration_us: int | None
    billed_seconds: int | None
    amount: Decimal | None
    currency: str | None
    evidence: str | None
    error_bound_us: int | None
    corrects: UUID | None = None
    caller_name: str | None = None
    trunk_id: UUID | None = None


def instant(us: int) -> datetime:
    """µs since 1970 as an aware UTC datetime, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def microseconds(at: datetime) -> int:
    """An aware datetime as µs since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def clean(text: str) -> str:
    """Text as the ledger can hold it: Postgres knows no NUL, and a lone surrogate is no character."""
    if text.isprintable():
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
