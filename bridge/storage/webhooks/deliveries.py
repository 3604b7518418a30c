"""The queue of deliveries: each lane of a webhook in order, one at a time, independent of other lanes."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text

from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.webhooks.event import WebhookState
from bridge.domain.webhooks.retry import PATIENCE, Reply
from bridge.storage.access import audit_log
from bridge.storage.access.audit_log import Actor
from bridge.storage.postgres.database import Database
from bridge.usecases.webhooks.ports import ClaimedAttempts, ClaimLimits, DeliveryAttempt, DeliveryBacklog

LEASE: Final = timedelta(seconds=30)
"""The time that an attempt may take, from its claim to its settlement."""
KEPT: Final = timedelta(days=30)
ERROR_MAX: Final = 500
_DAEMON: Final = Actor(Principal("webhooks", Scope.OPERATOR), "")

# A delivery that is due, but not the first of its lane, is put off until the first may be done: otherwise each claim
# would read it again. When the first is done, `_NEXT` makes the next one due. A claim may put off a delivery just after
# `_NEXT` ran for it, so the time it is put off for is short (LOOK) while the first is soon due.
# statement_timestamp() is used since an index can serve only a time that stands still during a statement.
# The webhooks of an account that have something due get its places in a random order, as many as one may have each,
# until no place is left. What they do not need, the next claim gives to others.
CLAIM: Final = text("""
WITH busy AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:accounts AS uuid[]), CAST(:left AS int[])) AS busy (account_id, places)
), hook AS MATERIALIZED (
    SELECT id, least(:of_webhook, coalesce(places, :of_account) - :of_webhook * (turn - 1)) AS places FROM (
        SELECT webhooks.id, account_id, row_number() OVER (PARTITION BY account_id ORDER BY random()) AS turn
        FROM webhooks CROSS JOIN LATERAL (
            SELECT FROM webhook_deliveries
            WHERE webhook_id = webhooks.id AND state = 'pending' AND next_at <= statement_timestamp()
            ORDER BY next_at, number LIMIT 1
        ) AS something_due
        WHERE state = 'active' AND webhooks.id <> ALL(CAST(:without AS uuid[]))
    ) AS ready LEFT JOIN busy ON busy.account_id IS NOT DISTINCT FROM ready.account_id
    ORDER BY random()
), due AS MATERIALIZED (
    SELECT found.* FROM (SELECT * FROM hook WHERE places > 0) AS hook CROSS JOIN LATERAL (
        SELECT id, webhook_id, lane FROM webhook_deliveries
        WHERE webhook_id = hook.id AND state = 'pending' AND next_at <= statement_timestamp()
        ORDER BY next_at, number LIMIT hook.places FOR UPDATE SKIP LOCKED
    ) found
    LIMIT :most
), placed AS (
    SELECT due.id, first.id = due.id AS is_first, first.next_at AS first_at
    FROM due CROSS JOIN LATERAL (
        SELECT id, next_at FROM webhook_deliveries
        WHERE webhook_id = due.webhook_id AND lane = due.lane AND state = 'pending' ORDER BY number LIMIT 1
    ) first
)
UPDATE webhook_deliveries AS delivery
SET attempts = attempts + CAST(is_first AS int),
    next_at = CASE
        WHEN is_first THEN clock_timestamp() + CAST(:lease AS interval)
        WHEN first_at < clock_timestamp() + CAST(:lease AS interval) THEN clock_timestamp() + CAST(:look AS interval)
        ELSE first_at
    END
FROM placed, webhooks
WHERE delivery.id = placed.id AND webhooks.id = delivery.webhook_id
RETURNING delivery.id, webhook_id, webhooks.account_id, event_id, event, lane, url, secret,
    CAST(payload AS text) AS body, attempts, is_first, clock_timestamp() - delivery.created_at AS age
""")
LOOK: Final = timedelta(seconds=0.5)
_SETTLE: Final = text("""
UPDATE webhook_deliveries
SET state = :state, status = :status, error = :error, next_at = clock_timestamp() + CAST(:wait AS interval),
    delivered_at = CASE WHEN :state = 'delivered' THEN clock_timestamp() END
WHERE id = :id AND state = 'pending' AND attempts = :attempts
RETURNING id
""")
_NEXT: Final = text("""
UPDATE webhook_deliveries SET next_at = clock_timestamp()
WHERE next_at > clock_timestamp() AND id = (
    SELECT id FROM webhook_deliveries WHERE webhook_id = :webhook_id AND lane = :lane AND state = 'pending'
    ORDER BY number LIMIT 1
)
""")
_PAUSE: Final = text("""
UPDATE webhooks SET state = 'paused', version = version + 1, updated_at = clock_timestamp()
WHERE id = :id AND state = 'active' RETURNING account_id
""")
_BACKLOG: Final = text("""
SELECT count(*) AS waiting, extract(epoch FROM clock_timestamp() - min(delivery.created_at)) AS oldest_s
FROM webhook_deliveries AS delivery JOIN webhooks ON webhooks.id = webhook_id
WHERE delivery.state = 'pending' AND webhooks.state = 'active'
""")
_EXPIRE: Final = text("""
UPDATE webhook_deliveries AS delivery SET state = 'failed', error = 'the webhook was paused for too long'
FROM webhooks
WHERE webhooks.id = webhook_id AND webhooks.state = 'paused' AND delivery.state = 'pending'
    AND delivery.created_at < now() - CAST(:patience AS interval)
""")
_PRUNE: Final = text("""
DELETE FROM webhook_deliveries WHERE created_at < now() - CAST(:kept AS interval) AND state <> 'pending'
""")


class PostgresDeliveries:
    """Implements webhook_ports.DeliveryStore. A claim lasts for `lease`."""

    def __init__(self, database: Database, lease: timedelta = LEASE) -> None:
        self._database = database
        self._lease = lease

    async def claim(self, limits: ClaimLimits) -> ClaimedAttempts:
        asked = {
            "most": limits.most,
            "of_webhook": limits.of_webhook,
            "of_account": limits.of_account,
            "without": list(limits.without),
            "accounts": list(limits.left),
            "left": list(limits.left.values()),
            "lease": self._lease,
            "look": LOOK,
        }
        async with self._database.transaction() as connection:
            rows = (await connection.execute(CLAIM, asked)).mappings().all()
        return ClaimedAttempts([_attempt(row) for row in rows if row["is_first"]], bool(rows))

    async def settle(self, attempt: DeliveryAttempt, reply: Reply, wait_s: float | None) -> None:
        state = "delivered" if reply.delivered else "failed" if wait_s is None else "pending"
        outcome = {
            "id": attempt.delivery_id,
            "attempts": attempt.number,
            "state": state,
            "status": reply.status,
            "error": reply.error[:ERROR_MAX],
            "wait": timedelta(seconds=wait_s or 0),
        }
        async with self._database.transaction() as connection:
            ours = (await connection.execute(_SETTLE, outcome)).first() is not None
            if ours and state != "pending":
                await connection.execute(_NEXT, {"webhook_id": attempt.webhook_id, "lane": attempt.lane})
            if reply.gone:
                paused = (await connection.execute(_PAUSE, {"id": attempt.webhook_id})).one_or_none()
                if paused is not None:
                    with audit_log.acting(_DAEMON):
                        detail = {"state": WebhookState.PAUSED.value, "status": reply.status}
                        owner = Owner(paused.account_id)
                        await audit_log.note(connection, "webhook.paused", "webhook", attempt.webhook_id, owner, detail)

    async def backlog(self) -> DeliveryBacklog:
        async with self._database.transaction() as connection:
            row = (await connection.execute(_BACKLOG)).one()
        return DeliveryBacklog(row.waiting, float(row.oldest_s or 0))

    async def tidy(self) -> None:
        """Fail what has waited too long for a paused webhook, and delete what ended long ago. Raises Unavailable."""
        async with self._database.transaction() as connection:
            await connection.execute(_EXPIRE, {"patience": PATIENCE})
            await connection.execute(_PRUNE, {"kept": KEPT})


def _attempt(row: Any) -> DeliveryAttempt:
    return DeliveryAttempt(
        row["id"],
        row["webhook_id"],
        row["account_id"],
        row["event_id"],
        row["event"],
        row["lane"],
        row["url"],
        bytes(row["secret"]),
        row["body"].encode(),
        row["attempts"],
        row["age"],
    )
