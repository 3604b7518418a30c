"""Webhooks: what is told to whom, in which order. An event is one thing that happened; a delivery is its way to one
webhook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from bridge.domain import text as wording
from bridge.domain.access.principal import Owner
from bridge.domain.errors import Invalid
from bridge.domain.provisioning.tenants import Passcode, State, SubAccount

MOST: Final = 20
"""Webhooks that an account, and the operator, may have."""
EVERY: Final = "*"
"""Among the events of a webhook: all there are, also those that later versions add."""
GUESSING_LANE: Final = "guessing"


class EventKind(StrEnum):
    """What happened."""

    SUB_ACCOUNT_CREATED = "sub_account.created"
    SUB_ACCOUNT_UPDATED = "sub_account.updated"
    SUB_ACCOUNT_SUSPENDED = "sub_account.suspended"
    SUB_ACCOUNT_RESUMED = "sub_account.resumed"
    SUB_ACCOUNT_CLOSED = "sub_account.closed"
    PASSCODE_CREATED = "passcode.created"
    PASSCODE_ROTATED = "passcode.rotated"
    PASSCODE_REVOKED = "passcode.revoked"
    CONFERENCE_STARTED = "conference.started"
    PARTICIPANT_JOINED = "participant.joined"
    PARTICIPANT_LEFT = "participant.left"
    CONFERENCE_ENDED = "conference.ended"
    STATEMENT_READY = "statement.ready"
    BUDGET_REACHED = "budget.reached"
    GUESSING_DETECTED = "guessing.detected"
    GUESSING_ENDED = "guessing.ended"
    PING = "ping"
    """Sent only to try a webhook out."""


ROOM_KINDS: Final = (
    EventKind.CONFERENCE_STARTED,
    EventKind.PARTICIPANT_JOINED,
    EventKind.PARTICIPANT_LEFT,
    EventKind.CONFERENCE_ENDED,
)
KINDS: Final = tuple(kind for kind in EventKind if kind is not EventKind.PING)
"""All that a webhook can ask for."""


@dataclass(frozen=True, slots=True)
class Conference:
    """One occurrence of a room, from its first join to its last leave. While it goes on, `ended_at` and `stays` are
    None; `stays` are those that were recorded."""

    id: UUID
    account_id: UUID | None
    sub_account_id: UUID | None
    room_id: UUID | None
    started_at: datetime
    ended_at: datetime | None = None
    stays: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `subject` is told as webhook_payload has it, or is JSON already.

    `account_id` is None for what is the operator's business alone. Events of one `lane` are told in their order.
    """

    id: UUID
    kind: EventKind
    created_at: datetime
    account_id: UUID | None
    lane: str
    subject: object


class WebhookState(StrEnum):
    """A paused webhook is sent nothing; what happens meanwhile waits for it, no longer than any delivery does."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an account (the operator, when `account_id` is None) wants to be told which events."""

    id: UUID
    account_id: UUID | None
    url: str
    events: tuple[str, ...]
    state: WebhookState
    label: str
    created_at: datetime
    version: int = 1


class DeliveryState(StrEnum):
    """A failed one is not tried again by itself."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one webhook. `status` is what the last answer had, None when there was none; `error` says
    what went wrong last, empty when nothing did. `next_at` is when it is tried again, at the earliest."""

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
    """An event of provisioning. What concerns one sub-account is told in its order."""
    lane = owner.sub_account_id or owner.account_id
    return Event(event_id, kind, created_at, owner.account_id, str(lane), subject)


def kind_of_change(before: State, after: State) -> EventKind:
    """What it is when a sub-account that was in a state is changed, and is in another or the same."""
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


def guessing(event_id: UUID, at: datetime, access_number: str | None, level: float, *, begun: bool) -> Event:
    """That guessing has begun or ended, on an access number or (None) in the installation as a whole; `level` is that
    of recent failures. It is the operator's business alone."""
    kind = EventKind.GUESSING_DETECTED if begun else EventKind.GUESSING_ENDED
    subject = {"access_number": access_number, "failures": round(level)}
    return Event(event_id, kind, at, None, GUESSING_LANE, subject)


def wanted(events: Sequence[str]) -> tuple[str, ...]:
    """What a webhook asks for, each once, in the order of EventKind. Raises Invalid."""
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
    """What an owner calls a webhook; it may be empty. Raises Invalid."""
    return wording.line("label", text) if text.strip() else ""
