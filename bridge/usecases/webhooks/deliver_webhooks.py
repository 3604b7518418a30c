"""Events on their way to webhooks: claim what is due, sign it, send it, and note what became of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.webhooks import retry, signature
from bridge.domain.webhooks.retry import Reply
from bridge.domain.webhooks.signature import Secrets

POLL_S: Final = 0.25
AWAY_S: Final = 2.0
MOST: Final = 128
"""Attempts at a time."""
MOST_OF_ONE: Final = 8
"""The same, of one webhook; one whose last attempt failed gets no more before all of them are done."""


@dataclass(frozen=True, slots=True)
class Attempt:
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
class Claimed:
    """What could be claimed. `more`: something else may be due as well."""

    attempts: Sequence[Attempt]
    more: bool


class Deliveries(Protocol):
    """Where deliveries wait. Every method raises Unavailable."""

    async def claim(self, most: int, of_one: int, without: Collection[UUID]) -> Claimed:
        """Deliveries that are due, `of_one` at most of each webhook that is not in `without`, and of each lane of a
        webhook the first that is pending. They are ours for a while; then, if we don't settle them, anybody's."""

    async def settle(self, attempt: Attempt, reply: Reply, wait_s: float | None) -> None:
        """Note what an attempt came to: received, to be tried again in `wait_s`, or (None) failed for good. When the
        receiver is gone its webhook is paused. Nothing is noted of a delivery that is ours no longer."""


class Courier(Protocol):
    """Who goes there."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One attempt; whatever goes wrong is told in the reply."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that ended. Without `wait_s` it is not repeated."""

    attempt: Attempt
    reply: Reply
    wait_s: float | None


async def deliver_webhooks(
    deliveries: Deliveries,
    courier: Courier,
    unseal: Callable[[bytes], str],
    on_ended: Callable[[Ended], None],
    on_unavailable: Callable[[Unavailable], None],
    on_fault: Callable[[Attempt, Exception], None],
) -> None:
    """Runs for ever. A delivery that was sent, but not settled, is sent again."""
    going: Counter[UUID] = Counter()
    failing: set[UUID] = set()
    wake = asyncio.Event()

    async def deliver(attempt: Attempt) -> None:
        try:
            try:
                ended = await _attempt(attempt, courier, unseal)
            except Exception as error:
                # What one delivery stumbles over must not keep all others from being sent, start after start.
                on_fault(attempt, error)
                ended = _ended(attempt, Reply(None, "a fault of the sender: its log tells more"))
            (failing.discard if ended.reply.delivered else failing.add)(attempt.webhook_id)
            await deliveries.settle(attempt, ended.reply, ended.wait_s)
            on_ended(ended)
        except Unavailable as error:
            on_unavailable(error)
        finally:
            going[attempt.webhook_id] -= 1
            wake.set()

    async with asyncio.TaskGroup() as tasks:
        while True:
            wake.clear()
            full = [one for one, count in going.items() if count >= (1 if one in failing else MOST_OF_ONE)]
            pause_s = POLL_S
            if (free := MOST - going.total()) > 0:
                try:
                    claimed = await deliveries.claim(free, MOST_OF_ONE, full)
                except Unavailable as error:
                    on_unavailable(error)
                    claimed, pause_s = Claimed((), False), AWAY_S
                for attempt in claimed.attempts:
                    going[attempt.webhook_id] += 1
                    tasks.create_task(deliver(attempt), name="webhook delivery")
                if claimed.more:
                    continue
            try:
                async with asyncio.timeout(pause_s):
                    await wake.wait()
            except TimeoutError:
                going = +going


async def _attempt(attempt: Attempt, courier: Courier, unseal: Callable[[bytes], str]) -> Ended:
    try:
        secrets = Secrets.of_text(unseal(attempt.secret))
    except BridgeError as error:
        reply = Reply(None, f"the secret cannot be opened ({error}): rotate it")
    else:
        headers = signature.headers(secrets, str(attempt.event_id), datetime.now(UTC), attempt.body)
        reply = await courier.post(attempt.url, headers, attempt.body)
    return _ended(attempt, reply)


def _ended(attempt: Attempt, reply: Reply) -> Ended:
    if reply.delivered:
        return Ended(attempt, reply, None)
    spread = random.random()  # noqa: S311  # nothing to be guessed
    return Ended(attempt, reply, retry.again_s(attempt.number, attempt.age, reply, spread))
