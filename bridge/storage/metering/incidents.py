"""Reads incidents of the journal and the ledger, for a person to look at."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import incidents


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """One incident of a node, as it is stored."""

    id: int
    node: str
    boot: str
    at: datetime
    kind: str
    subject: str


class PostgresIncidents:
    """Implements no port: commands list it as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, since: datetime | None, until: datetime | None, kind: str | None, limit: int, after: int | None
    ) -> list[StoredIncident]:
        """Return incidents of [since, until), of one kind if given, in the order of writing. Raises Unavailable."""
        at = incidents.c
        asked = [
            *([at.at >= since] if since else []),
            *([at.at < until] if until else []),
            *([at.kind == kind] if kind else []),
            *([at.id > after] if after is not None else []),
        ]
        async with self._database.transaction() as connection:
            rows = await connection.execute(select(incidents).where(*asked).order_by(at.id).limit(limit))
            return [StoredIncident(**row) for row in rows.mappings()]
