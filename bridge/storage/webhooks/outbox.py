"""Outgoing events: written in the transaction of the change they report, so that both are committed or neither."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import EVERY, Event, EventKind
from bridge.storage.postgres.database import Database

_SUBSCRIPTIONS: Final = text("""
SELECT account_id, events FROM webhooks
WHERE (account_id IS NULL OR account_id = ANY(CAST(:accounts AS uuid[]))) AND events && CAST(:kinds AS text[])
""")
# The lock (FOR KEY SHARE) makes a webhook's removal wait for this transaction. Without it, a webhook that is removed
# meanwhile would make the foreign key refuse the row, and with it the change that the event reports.
_INSERT: Final = text(f"""
INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, lane, payload)
SELECT gen_random_uuid(), webhooks.id, wanted.id, wanted.event, wanted.lane, CAST(wanted.payload AS jsonb)
FROM unnest(
    CAST(:ids AS uuid[]), CAST(:events AS text[]), CAST(:lanes AS text[]), CAST(:accounts AS uuid[]),
    CAST(:payloads AS text[])
) WITH ORDINALITY AS wanted(id, event, lane, account_id, payload, place)
JOIN webhooks ON (webhooks.account_id IS NULL OR webhooks.account_id = wanted.account_id)
    AND webhooks.events && ARRAY[wanted.event, '{EVERY}']
ORDER BY wanted.place
FOR KEY SHARE OF webhooks
""")  # noqa: S608  # our own constant


class Subscriptions:
    """The events that webhooks ask for: pairs of an account (None: the operator) and the name of an event, or EVERY."""

    def __init__(self, pairs: Iterable[tuple[UUID | None, str]]) -> None:
        self._pairs = frozenset(pairs)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def include(self, event: Event) -> bool:
        """Return True if at least one webhook asks for this event."""
        return any((who, what) in self._pairs for who in (None, event.account_id) for what in (EVERY, event.kind))


async def subscriptions(
    connection: AsyncConnection, accounts: Collection[UUID | None], kinds: Collection[EventKind]
) -> Subscriptions:
    """Read which webhooks ask for events of these kinds, those of these accounts and of the operator."""
    asked = {"accounts": [one for one in accounts if one is not None], "kinds": [*kinds, EVERY]}
    rows = await connection.execute(_SUBSCRIPTIONS, asked)
    return Subscriptions((row.account_id, event) for row in rows for event in row.events)


async def emit(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Queue one delivery for each webhook that asks for an event, in the order given.

    They become visible when this transaction is committed.
    """
    if not events:
        return
    subscribed = await subscriptions(
        connection, {event.account_id for event in events}, {event.kind for event in events}
    )
    wanted = [event for event in events if subscribed.include(event)] if subscribed else []
    if wanted:
        columns = {
            "ids": [event.id for event in wanted],
            "events": [event.kind.value for event in wanted],
            "lanes": [event.lane for event in wanted],
            "accounts": [event.account_id for event in wanted],
            "payloads": [orjson.dumps(payload.payload(event)).decode() for event in wanted],
        }
        await connection.execute(_INSERT, columns)


class PostgresOutbox:
    """Emits events in a transaction of their own, for what changes no row, such as guessing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def emit(self, *events: Event) -> None:
        """Emit events. Raises Unavailable."""
        async with self._database.transaction() as connection:
            await emit(connection, events)
