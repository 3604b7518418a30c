"""Ports of webhooks: where webhooks and their deliveries are stored, and how a delivery reaches its receiver."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from bridge.domain.webhooks.event import Delivery, DeliveryState, Webhook, WebhookState
from bridge.domain.webhooks.retry import Reply


@dataclass(frozen=True, slots=True)
class WebhookUpdate:
    """Changes of a webhook. None leaves a field as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    label: str | None = None
    state: WebhookState | None = None


class Webhooks(Protocol):
    """Stored webhooks. Every method raises Unavailable; those that take an id raise NotFound.

    Lists come in order of creation, `limit` at most, after the item with the id `after`; deliveries come latest first.
    With `expected`, a change raises Stale unless the webhook has that version.
    """

    async def add(
        self, account_id: UUID | None, url: str, events: tuple[str, ...], label: str, secret: bytes
    ) -> Webhook:
        """Add a webhook. Raises Conflict if the owner has the most it may have, NotFound for no such account."""

    async def webhook(self, webhook_id: UUID) -> Webhook: ...
    async def webhooks(self, account_id: UUID | None, limit: int, after: UUID | None = None) -> list[Webhook]:
        """List the webhooks of an account, or (None) of all accounts and the operator."""

    async def change(self, webhook_id: UUID, changes: WebhookUpdate, expected: int | None = None) -> Webhook: ...
    async def remove(self, webhook_id: UUID, expected: int | None = None) -> None: ...
    async def secret(self, webhook_id: UUID) -> bytes: ...
    async def change_secret(self, webhook_id: UUID, secret: bytes, expected: int | None = None) -> Webhook: ...
    async def secrets(self, limit: int, after: UUID | None = None) -> list[tuple[UUID, bytes]]:
        """List all secrets, sealed, in order of the webhooks' ids."""

    async def seal_anew(self, webhook_id: UUID, before: bytes, secret: bytes) -> None:
        """Store the same secret sealed under another key, unless it has changed meanwhile."""

    async def ping(self, webhook_id: UUID) -> Delivery:
        """Queue a test message. Raises Conflict if the webhook is paused."""

    async def deliveries(
        self,
        webhook_id: UUID,
        state: DeliveryState | None,
        event: str | None,
        limit: int,
        after: UUID | None = None,
    ) -> list[Delivery]: ...
    async def delivery(self, delivery_id: UUID) -> Delivery: ...
    async def redeliver(self, delivery_id: UUID) -> Delivery:
        """Queue the same event once more, at the end of its lane. Raises Conflict if it is still pending."""


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt at a delivery, claimed by this process.

    `number` counts the attempts from 1. `body` is the same at each. `secret` is sealed. `age` is the time since the
    delivery was made. `account_id` is None for a webhook of the operator.
    """

    delivery_id: UUID
    webhook_id: UUID
    account_id: UUID | None
    event_id: UUID
    event: str
    lane: str
    url: str
    secret: bytes
    body: bytes
    number: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """The most attempts of one claim: in all, and of one webhook.

    `of_account` is the most of one account, or of the operator (None); `left` has those that may get fewer. Webhooks in
    `without` get none.
    """

    most: int
    of_webhook: int
    of_account: int
    without: Collection[UUID] = ()
    left: Mapping[UUID | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClaimedAttempts:
    """The attempts that could be claimed. With `more`, other deliveries may be due as well."""

    attempts: Sequence[DeliveryAttempt]
    more: bool


class Deliveries(Protocol):
    """Pending deliveries. Every method raises Unavailable."""

    async def claim(self, limits: ClaimLimits) -> ClaimedAttempts:
        """Claim deliveries that are due, within the limits.

        Of each lane of a webhook only the first pending delivery can be claimed. A claim is a lease: if it is not
        settled in time, any process may claim the delivery again.
        """

    async def settle(self, attempt: DeliveryAttempt, reply: Reply, wait_s: float | None) -> None:
        """Store the outcome of an attempt: delivered, to be tried again in `wait_s`, or (None) failed for good.

        If the receiver is gone, its webhook is paused. If the claim has expired and the delivery was claimed again,
        nothing is stored.
        """


class Courier(Protocol):
    """Sends messages to receivers."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one message. It raises nothing: the reply says what went wrong."""


@dataclass(frozen=True, slots=True)
class DeliveryBacklog:
    """The pending deliveries of all active webhooks: how many there are, and the age of the oldest in seconds."""

    count: int
    oldest_s: float


class DeliveryStore(Deliveries, Protocol):
    """Deliveries as the daemon keeps them: claimed and settled, counted, and deleted in the end."""

    async def backlog(self) -> DeliveryBacklog:
        """Count what is pending. Raises Unavailable."""

    async def tidy(self) -> None:
        """Fail what has waited too long for a paused webhook, and delete what ended long ago. Raises Unavailable."""
