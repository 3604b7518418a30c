"""The daemon's task for webhooks: it delivers, logs and counts deliveries, and deletes old ones."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from bridge import telemetry
from bridge.domain.errors import Unavailable
from bridge.usecases.webhooks.deliver_webhooks import FinishedAttempt, deliver_webhooks
from bridge.usecases.webhooks.ports import DeliveryAttempt, DeliveryStore
from bridge.webhooks.courier import ANSWER_S, HttpCourier

log = structlog.get_logger()

GAUGES_S: Final = 10.0
TIDY_S: Final = 3600.0


class Deliverer:
    """Delivers what is pending in `store`. `private` allows targets in one's own network."""

    def __init__(
        self, store: DeliveryStore, unseal: Callable[[bytes], str], private: bool, answer_s: float = ANSWER_S
    ) -> None:
        self._store = store
        self._unseal = unseal
        self._private = private
        self._answer_s = answer_s
        self._away = False

    async def run(self) -> None:
        """Run for ever. While Postgres is away, deliveries wait in it."""
        async with HttpCourier(self._private, self._answer_s) as courier, asyncio.TaskGroup() as tasks:
            tasks.create_task(_each(GAUGES_S, self._keep_gauges), name="webhook gauges")
            tasks.create_task(_each(TIDY_S, self._store.tidy), name="webhook tidying")
            await deliver_webhooks(
                self._store, courier, self._unseal, self._on_ended, self._on_unavailable, self._on_fault
            )

    async def _keep_gauges(self) -> None:
        backlog = await self._store.backlog()
        telemetry.WEBHOOKS_PENDING.set(backlog.count)
        telemetry.WEBHOOKS_OLDEST_SECONDS.set(backlog.oldest_s)

    def _on_ended(self, ended: FinishedAttempt) -> None:
        self._away = False
        attempt, reply = ended.attempt, ended.reply
        outcome = "delivered" if reply.delivered else "failed" if ended.wait_s is None else "retried"
        telemetry.WEBHOOK_DELIVERIES.labels(outcome=outcome).inc()
        fields = {
            "delivery": str(attempt.delivery_id),
            "webhook": str(attempt.webhook_id),
            "kind": attempt.event,
            "host": urlsplit(attempt.url).hostname,
            "attempt": attempt.number,
            "status": reply.status,
        }
        if reply.delivered:
            log.info("webhook_delivered", **fields)
        elif ended.wait_s is None:
            log.error("webhook_failed", **fields, error=reply.error, mend="repair the receiver, then redeliver by REST")
        else:
            log.warning("webhook_retried", **fields, error=reply.error, again_in_s=round(ended.wait_s, 1))
        if reply.gone:
            log.error(
                "webhook_paused",
                webhook=str(attempt.webhook_id),
                mend="the receiver answered 410 Gone: ask its owner, then make the webhook active again",
            )

    def _on_unavailable(self, error: Unavailable) -> None:
        if not self._away:
            log.warning("webhooks_wait", error=str(error), mend="they wait in Postgres; retrying until it answers")
        self._away = True

    def _on_fault(self, attempt: DeliveryAttempt, error: Exception) -> None:
        log.error("webhook_fault", delivery=str(attempt.delivery_id), kind=attempt.event, exc_info=error)


async def _each(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await work()
        await asyncio.sleep(seconds)
