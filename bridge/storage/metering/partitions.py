"""The ledger's months: a table each, made when first needed."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import text

from bridge.storage.postgres.database import Database


class Partitions:
    """The months that are known to exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[date] = set()

    async def ensure(self, times: Iterable[datetime]) -> None:
        """Make the months that aware UTC times fall into, as far as they don't exist. Raises Unavailable."""
        missing = {date(time.year, time.month, 1) for time in times} - self._known
        for month in sorted(missing):
            # A transaction of its own, so that the lock it takes is gone before rows are written.
            async with self._database.transaction() as connection:
                await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                await connection.execute(text("SELECT ensure_ledger_month(:month)"), {"month": month})
            self._known.add(month)

    def forget(self) -> None:
        """Someone else may have removed a month: look again."""
        self._known.clear()
