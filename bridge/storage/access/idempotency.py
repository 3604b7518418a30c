"""Responses to requests with an Idempotency-Key, stored sealed for a day."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from bridge.domain.errors import BridgeError, Conflict
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import idempotency_keys
from bridge.usecases.access.ports import RequestInProgress, StoredResponse
from bridge.usecases.provisioning.ports import Keys

STORED: Final = timedelta(hours=24)
PRUNED_AT_ONCE: Final = 100
_AT: Final = idempotency_keys.c
_OLD: Final = _AT.created_at < func.clock_timestamp() - STORED
_PRUNED: Final = delete(idempotency_keys).where(
    tuple_(_AT.owner, _AT.key).in_(
        # Requests that prune at the same time skip each other's rows, so that none waits.
        select(_AT.owner, _AT.key).where(_OLD).limit(PRUNED_AT_ONCE).with_for_update(skip_locked=True)
    )
)


class PostgresIdempotencyStore:
    """Implements access_ports.IdempotencyStore.

    Responses may hold digits of passcodes, so they are sealed like these.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def earlier(self, owner: str, key: str) -> StoredResponse | None:
        asked = select(_AT.request, _AT.status, _AT.answer).where(_AT.owner == owner, _AT.key == key, ~_OLD)
        async with self._database.transaction() as connection:
            if not await locks.try_lock_request(connection, f"{owner} {key}"):
                raise RequestInProgress(
                    "a request with this Idempotency-Key is being carried out: ask again in a moment"
                )
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            return None
        try:
            return StoredResponse(row.request, row.status, self._keys.unseal(row.answer))
        except BridgeError as error:
            # The request was carried out. To do it again would be worse than to give no response.
            raise Conflict("this was carried out, but its response was sealed under a key that is gone") from error

    async def keep(self, owner: str, key: str, answer: StoredResponse) -> None:
        values = {"request": answer.request, "status": answer.status, "answer": self._keys.seal(answer.answer)}
        statement = insert(idempotency_keys).values(owner=owner, key=key, **values)
        again = {**values, "created_at": func.clock_timestamp()}
        async with self._database.transaction() as connection:
            await connection.execute(_PRUNED)
            await connection.execute(statement.on_conflict_do_update(index_elements=["owner", "key"], set_=again))
