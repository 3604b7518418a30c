"""Events on their way out, written in the transaction of what they tell of: both are committed, or neither."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import EVERY, Event, EventKind
from bridge.storage.postgres.database import Database

_AUDIENCE: Final = text("""
SELECT account_id, events FROM webhooks
WHERE (account_id IS NULL OR account_id = ANY(CAST(:accounts AS uuid[]))) AND events && CAST(:kinds AS text[])
""")
# A webhook that is being removed meanwhile hears nothing more; without the lock its removal could refuse the row.
_TELL: Final = text(f"""
INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, lane, payload)
SELECT gen_random_uuid(), webhooks.id, told.id, told.event, told.lane, CAST(told.payload AS jsonb)
FROM unnest(
    CAST(:ids AS uuid[]), CAST(:events AS text[]), CAST(:lanes AS text[]), CAST(:accounts AS uuid[]),
    CAST(:payloads AS text[])
) WITH ORDINALITY AS told(id, event, lane, account_id, payload, place)
JOIN webhooks ON (webhooks.account_id IS NULL OR webhooks.account_id = told.account_id)
    AND webhooks.events && ARRAY[told.event, '{EVERY}']
ORDER BY told.place
FOR KEY SHARE OF webhooks
""")  # noqa: S608  # our own constant


class Audience:
    """Who wants to be told what: pairs of an account (None: the operator) and an event."""

    def __init__(self, wanted: Iterable[tuple[UUID | None, str]]) -> None:
        self._wanted = frozenset(wanted)

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def hears(self, event: Event) -> bool:
        """Whether anybody wants this one."""
        return any((who, what) in self._wanted for who in (None, event.account_id) for what in (EVERY, event.kind))


async def audience(
    connection: AsyncConnection, accounts: Collection[UUID | None], kinds: Collection[EventKind]
) -> Audience:
    """Those who may want to be told events of these kinds, of these accounts."""
    asked = {"accounts": [one for one in accounts if one is not None], "kinds": [*kinds, EVERY]}
    rows = await connection.execute(_AUDIENCE, asked)
    return Audience((row.account_id, event) for row in rows for event in row.events)


async def emit(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Tell everybody who wants to be told, in this order, once this transaction is committed."""
    if not events:
        return
    heard = await audience(connection, {event.account_id for event in events}, {event.kind for event in events})
    told = [event for event in events if heard.hears(event)] if heard else []
    if told:
        columns = {
            "ids": [event.id for event in told],
            "events": [event.kind.value for event in told],
            "lanes": [event.lane for event in told],
            "accounts": [event.account_id for event in told],
            "payloads": [orjson.dumps(payload.payload(event)).decode() for event in told],
        }
        await connection.execute(_TELL, columns)


class PostgresOutbox:
    """The same for what is kept nowhere else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, *events: Event) -> None:
        """Raises Unavailable."""
        async with self._database.transaction() as connection:
            await emit(connection, events)
