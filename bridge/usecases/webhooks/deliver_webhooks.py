"""Delivery of webhooks: claim the deliveries that are due, sign and send each, and store the outcome."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.webhooks import retry, signature
from bridge.domain.webhooks.retry import Reply
from bridge.domain.webhooks.signature import Secrets
from bridge.usecases.webhooks.ports import ClaimedAttempts, ClaimLimits, Courier, Deliveries, DeliveryAttempt

POLL_S: Final = 0.25
AWAY_S: Final = 2.0
"""The pause between claims while Postgres is away."""
MOST: Final = 128
"""The most attempts at a time."""
MOST_OF_ONE: Final = 8
"""The most attempts at a time of one webhook.

A webhook whose last attempt failed gets one at a time, so that a dead receiver does not take the places of others.
"""
MOST_OF_ACCOUNT: Final = MOST // 4
"""The most attempts at a time of one account, or of the operator. So slow receivers of one account leave places to the
others."""


@dataclass(frozen=True, slots=True)
class FinishedAttempt:
    """An attempt with its outcome. It is repeated in `wait_s` seconds, or (None) never."""

    attempt: DeliveryAttempt
    reply: Reply
    wait_s: float | None


async def deliver_webhooks(
    deliveries: Deliveries,
    courier: Courier,
    unseal: Callable[[bytes], str],
    on_ended: Callable[[FinishedAttempt], None],
    on_unavailable: Callable[[Unavailable], None],
    on_fault: Callable[[DeliveryAttempt, Exception], None],
) -> None:
    """Deliver webhooks for ever. A message that was sent, but whose outcome could not be stored, is sent again.

    Receivers recognise such a repetition by its webhook-id.
    """
    going: Counter[UUID] = Counter()
    of_account: Counter[UUID | None] = Counter()
    failing: set[UUID] = set()
    wake = asyncio.Event()

    async def deliver(attempt: DeliveryAttempt) -> None:
        try:
            try:
                ended = await _attempt(attempt, courier, unseal)
            except Exception as error:
                # A bug that one delivery triggers must not stop the process, and with it all others, at each start.
                on_fault(attempt, error)
                ended = _ended(attempt, Reply(None, "a fault of the sender: see its log"))
            (failing.discard if ended.reply.delivered else failing.add)(attempt.webhook_id)
            await deliveries.settle(attempt, ended.reply, ended.wait_s)
            on_ended(ended)
        except Unavailable as error:
            on_unavailable(error)
        finally:
            going[attempt.webhook_id] -= 1
            of_account[attempt.account_id] -= 1
            wake.set()

    async with asyncio.TaskGroup() as tasks:
        while True:
            wake.clear()
            full = [one for one, count in going.items() if count >= (1 if one in failing else MOST_OF_ONE)]
            pause_s = POLL_S
            if (free := MOST - going.total()) > 0:
                left = {account: MOST_OF_ACCOUNT - count for account, count in of_account.items()}
                try:
                    claimed = await deliveries.claim(ClaimLimits(free, MOST_OF_ONE, MOST_OF_ACCOUNT, full, left))
                except Unavailable as error:
                    on_unavailable(error)
                    claimed, pause_s = ClaimedAttempts((), False), AWAY_S
                for attempt in claimed.attempts:
                    going[attempt.webhook_id] += 1
                    of_account[attempt.account_id] += 1
                    tasks.create_task(deliver(attempt), name="webhook delivery")
                if claimed.more:
                    continue
            try:
                async with asyncio.timeout(pause_s):
                    await wake.wait()
            except TimeoutError:
                going, of_account = +going, +of_account


async def _attempt(attempt: DeliveryAttempt, courier: Courier, unseal: Callable[[bytes], str]) -> FinishedAttempt:
    try:
        secrets = Secrets.of_text(unseal(attempt.secret))
    except BridgeError as error:
        reply = Reply(None, f"the secret cannot be opened ({error}): rotate it")
    else:
        headers = signature.headers(secrets, str(attempt.event_id), datetime.now(UTC), attempt.body)
        reply = await courier.post(attempt.url, headers, attempt.body)
    return _ended(attempt, reply)


def _ended(attempt: DeliveryAttempt, reply: Reply) -> FinishedAttempt:
    if reply.delivered:
        return FinishedAttempt(attempt, reply, None)
    spread = random.random()  # noqa: S311  # nothing to be guessed
    return FinishedAttempt(attempt, reply, retry.again_s(attempt.number, attempt.age, reply, spread))
