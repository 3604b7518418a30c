"""Ports of webhooks: where webhooks and their deliveries are stored, and how a delivery reaches its receiver."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from bridge.domain.webhooks.event import Delivery, DeliveryState, Webhook, WebhookState
from bridge.domain.webhooks.retry import Reply


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What is to change; None leaves it as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    label: str | None = None
    state: WebhookState | None = None


class Webhooks(Protocol):
    """Where webhooks are kept. Every method raises Unavailable; those that name one raise NotFound.

    Lists come in order of creation, `limit` at most, after the item with the id `after`; deliveries the latest first.
    With `expected` a change raises Stale unless the webhook's version is that.
    """

    async def add(
        self, account_id: UUID | None, url: str, events: tuple[str, ...], label: str, secret: bytes
    ) -> Webhook:
        """Raises Conflict when there are as many as there may be, NotFound for no such account."""

    async def webhook(self, webhook_id: UUID) -> Webhook: ...
    async def webhooks(self, account_id: UUID | None, limit: int, after: UUID | None = None) -> list[Webhook]:
        """Those of an account; of all accounts and the operator when it is None."""

    async def change(self, webhook_id: UUID, changes: WebhookChanges, expected: int | None = None) -> Webhook: ...
    async def remove(self, webhook_id: UUID, expected: int | None = None) -> None: ...
    async def secret(self, webhook_id: UUID) -> bytes: ...
    async def change_secret(self, webhook_id: UUID, secret: bytes, expected: int | None = None) -> Webhook: ...
    async def secrets(self, limit: int, after: UUID | None = None) -> list[tuple[UUID, bytes]]:
        """All of them, sealed, in order of their ids."""

    async def seal_anew(self, webhook_id: UUID, before: bytes, secret: bytes) -> None:
        """Keep the same secret sealed in another way, unless it has changed meanwhile."""

    async def ping(self, webhook_id: UUID) -> Delivery:
        """Raises Conflict for one that is paused."""

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
        """The same event on its way once more, behind all that wait in its lane. Raises Conflict when it waits."""


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """A delivery that is ours to try now. `body` is the same at each attempt, `number` counts them from 1; `secret` is
    sealed, `age` is the time since the delivery was made."""

    delivery_id: UUID
    webhook_id: UUID
    event_id: UUID
    event: str
    lane: str
    url: str
    secret: bytes
    body: bytes
    number: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class ClaimedAttempts:
    """What could be claimed. `more`: something else may be due as well."""

    attempts: Sequence[DeliveryAttempt]
    more: bool


class Deliveries(Protocol):
    """Where deliveries wait. Every method raises Unavailable."""

    async def claim(self, most: int, of_one: int, without: Collection[UUID]) -> ClaimedAttempts:
        """Deliveries that are due, `of_one` at most of each webhook that is not in `without`, and of each lane of a
        webhook the first that is pending. They are ours for a while; then, if we don't settle them, anybody's."""

    async def settle(self, attempt: DeliveryAttempt, reply: Reply, wait_s: float | None) -> None:
        """Note what an attempt came to: received, to be tried again in `wait_s`, or (None) failed for good. When the
        receiver is gone its webhook is paused. Nothing is noted of a delivery that is ours no longer."""


class Courier(Protocol):
    """Who goes there."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One attempt; whatever goes wrong is told in the reply."""


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
