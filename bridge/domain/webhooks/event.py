"""Webhooks, their events and deliveries. An event is one thing that happened; a delivery sends it to one webhook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Invalid
from bridge.domain.metering.usage import DayUsage
from bridge.domain.provisioning.tenants import Passcode, State, SubAccount
from bridge.domain.text import line

MOST: Final = 20
"""The most webhooks of one account, and of the operator."""
EVERY: Final = "*"
"""Stands for all events, also those that later versions add, among the events of a webhook."""
GUESSING_LANE: Final = "guessing"
"""The lane of the operator's events about guessing and unusual usage."""
_USAGE: Final = UUID("a3c1f0de-8b51-5a7e-9a34-2f6f4d0c7b66")


class EventKind(StrEnum):
    """The kinds of events. Their values are the `type` of a message."""

    SUB_ACCOUNT_CREATED = "sub_account.created"
    SUB_ACCOUNT_UPDATED = "sub_account.updated"
    SUB_ACCOUNT_SUSPENDED = "sub_account.suspended"
    SUB_ACCOUNT_RESUMED = "sub_account.resumed"
    SUB_ACCOUNT_CLOSED = "sub_account.closed"
    PASSCODE_CREATED = "passcode.created"
    PASSCODE_ROTATED = "passcode.rotated"
    PASSCODE_REVOKED = "passcode.revoked"
    PIN_GUESSED = "pin.guessed"
    CONFERENCE_STARTED = "conference.started"
    PARTICIPANT_JOINED = "participant.joined"
    PARTICIPANT_LEFT = "participant.left"
    CONFERENCE_ENDED = "conference.ended"
    STATEMENT_READY = "statement.ready"
    BUDGET_REACHED = "budget.reached"
    USAGE_UNUSUAL = "usage.unusual"
    GUESSING_DETECTED = "guessing.detected"
    GUESSING_ENDED = "guessing.ended"
    PING = "ping"
    """Sent only to test a webhook."""


ROOM_KINDS: Final = (
    EventKind.CONFERENCE_STARTED,
    EventKind.PARTICIPANT_JOINED,
    EventKind.PARTICIPANT_LEFT,
    EventKind.CONFERENCE_ENDED,
)
KINDS: Final = tuple(kind for kind in EventKind if kind is not EventKind.PING)
"""All kinds that a webhook can ask for."""


@dataclass(frozen=True, slots=True)
class Conference:
    """One occurrence of a room, from its first join to its last leave.

    While it goes on, `ended_at` and `stays` are None. `stays` is the number of stays that were recorded.
    """

    id: UUID
    account_id: UUID | None
    sub_account_id: UUID | None
    room_id: UUID | None
    started_at: datetime
    ended_at: datetime | None = None
    stays: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `subject` is a value that `payload.data` renders, or JSON already.

    `account_id` is None for events that are the operator's alone. Events of one `lane` are delivered in their order.
    """

    id: UUID
    kind: EventKind
    created_at: datetime
    account_id: UUID | None
    lane: str
    subject: object


class WebhookState(StrEnum):
    """The state of a webhook.

    A paused one is sent nothing: its deliveries wait, for as long as any delivery may wait.
    """

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL to which an account (the operator, if `account_id` is None) wants events sent, and which events."""

    id: UUID
    account_id: UUID | None
    url: str
    events: tuple[str, ...]
    state: WebhookState
    label: str
    created_at: datetime
    version: int = 1


class DeliveryState(StrEnum):
    """The state of a delivery. A failed one is not tried again, unless it is redelivered by REST."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one event to one webhook.

    `status` is that of the last response, None if there was none. `error` says what went wrong last, empty if nothing
    did. `next_at` is the earliest time of the next attempt.
    """

    id: UUID
    webhook_id: UUID
    event_id: UUID
    event: str
    state: DeliveryState
    attempts: int
    status: int | None
    error: str
    created_at: datetime
    next_at: datetime | None
    delivered_at: datetime | None
    payload: Mapping[str, Any]


def of_owner(
    event_id: UUID, kind: EventKind, created_at: datetime, owner: Owner, subject: SubAccount | Passcode
) -> Event:
    """Build an event of provisioning. Events of one sub-account share a lane, so they are delivered in order."""
    lane = owner.sub_account_id or owner.account_id
    return Event(event_id, kind, created_at, owner.account_id, str(lane), subject)


def kind_of_change(before: State, after: State) -> EventKind:
    """Return the kind of event for a change of a sub-account, from its states before and after."""
    match before, after:
        case State.CLOSED, _:
            return EventKind.SUB_ACCOUNT_UPDATED
        case _, State.CLOSED:
            return EventKind.SUB_ACCOUNT_CLOSED
        case State.ACTIVE, State.SUSPENDED:
            return EventKind.SUB_ACCOUNT_SUSPENDED
        case State.SUSPENDED, State.ACTIVE:
            return EventKind.SUB_ACCOUNT_RESUMED
        case _:
            return EventKind.SUB_ACCOUNT_UPDATED


def guessing(event_id: UUID, at: datetime, access_number: str | None, per_minute: float, *, begun: bool) -> Event:
    """Build the operator's event that guessing has begun or ended.

    `access_number` is None for the installation as a whole; `per_minute` are the wrong entries a minute of late.
    """
    kind = EventKind.GUESSING_DETECTED if begun else EventKind.GUESSING_ENDED
    subject = {"access_number": access_number, "wrong_a_minute": round(per_minute)}
    return Event(event_id, kind, at, None, GUESSING_LANE, subject)


def unusual_usage(at: datetime, usage: DayUsage) -> Event:
    """Build the operator's event that an account or access number is used far more than is usual.

    Its id is the same on every node for a day.
    """
    event_id = uuid5(_USAGE, f"{usage.kind}|{usage.value}|{at.date()}")
    subject = {"kind": usage.kind.value, "value": usage.value, "minutes": usage.minutes, "usual": usage.usual}
    return Event(event_id, EventKind.USAGE_UNUSUAL, at, None, GUESSING_LANE, subject)


def guessed_pin(event_id: UUID, at: datetime, account_id: UUID, sub_account_id: UUID, passcode_id: UUID) -> Event:
    """Build the owner's event that so many wrong PINs were keyed at a passcode that others wait."""
    subject = {"passcode_id": str(passcode_id), "sub_account_id": str(sub_account_id)}
    return Event(event_id, EventKind.PIN_GUESSED, at, account_id, str(sub_account_id), subject)


def wanted(events: Sequence[str]) -> tuple[str, ...]:
    """Check the events that a webhook asks for; return each once, in the order of EventKind. Raises Invalid."""
    if EVERY in events:
        if set(events) != {EVERY}:
            raise Invalid("events", f"{EVERY!r} means every event: leave the others out")
        return (EVERY,)
    unknown = sorted(set(events) - set(KINDS))
    if unknown or not events:
        names = ", ".join(KINDS)
        raise Invalid("events", f"give one or more of {names}; or {EVERY!r} alone, for all of them")
    return tuple(kind.value for kind in KINDS if kind in events)


def labelled(text: str) -> str:
    """Check the label of a webhook, which may be empty. Raises Invalid."""
    return line("label", text) if text.strip() else ""
