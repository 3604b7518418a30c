"""The monthly partitions of the ledger's tables, made when first needed."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import text

from bridge.storage.postgres.database import Database


class Partitions:
    """The monthly partitions that are known to exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[date] = set()

    async def ensure(self, times: Iterable[datetime]) -> None:
        """Make missing partitions of the months that aware UTC times fall into. Raises Unavailable."""
        missing = {date(time.year, time.month, 1) for time in times} - self._known
        for month in sorted(missing):
            # A transaction of its own, so that the lock it takes is gone before rows are written.
            async with self._database.transaction() as connection:
                await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                await connection.execute(text("SELECT ensure_ledger_month(:month)"), {"month": month})
            self._known.add(month)

    def forget(self) -> None:
        """Look again next time: somebody else may have removed a partition."""
        self._known.clear()
