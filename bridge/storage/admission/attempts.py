"""Refused entries in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, literal, select, tuple_
from sqlalchemy.engine import RowMapping

from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.storage.postgres import bulk
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.admission import admission_attempts
from bridge.usecases.admission.ports import RefusedEntryFilter

DELETED_AT_ONCE: Final = 10_000
_TOLD: Final = (
    *("id", "created_at", "node", "uniqueid", "caller", "access_number", "trunk", "reason"),
    *("account_id", "sub_account_id", "passcode_id"),
)


class PostgresRefusedEntries:
    """Implements admission_ports.RefusedEntries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        rows = [{**{name: getattr(one, name) for name in _TOLD}, "reason": one.reason.value} for one in attempts]
        async with self._database.transaction() as connection:
            await bulk.add(connection, admission_attempts, rows)

    async def page(
        self, wanted: RefusedEntryFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[RefusedEntry]:
        at = admission_attempts.c
        reason = wanted.reason.value if wanted.reason else None
        exact = (
            (at.account_id, wanted.account_id),
            (at.access_number, wanted.access_number),
            (at.reason, reason),
        )
        asked = [
            *(column == value for column, value in exact if value is not None),
            *([at.caller.in_(sorted(wanted.callers))] if wanted.callers is not None else []),
            *([at.created_at >= wanted.since] if wanted.since else []),
            *([at.created_at < wanted.until] if wanted.until else []),
        ]
        if after is not None:
            asked.append(tuple_(at.created_at, at.id) > tuple_(literal(after[0]), literal(after[1])))
        statement = select(admission_attempts).where(*asked).order_by(at.created_at, at.id).limit(limit)
        async with self._database.transaction() as connection:
            return [_attempt(row) for row in (await connection.execute(statement)).mappings()]

    async def prune(self, before: datetime) -> None:
        at = admission_attempts.c
        old = select(at.id).where(at.created_at < before).order_by(at.created_at).limit(DELETED_AT_ONCE)
        while True:
            async with self._database.transaction() as connection:
                gone = await connection.execute(delete(admission_attempts).where(at.id.in_(old)))
            if gone.rowcount < DELETED_AT_ONCE:
                return


def _attempt(row: RowMapping) -> RefusedEntry:
    return RefusedEntry(**{**{name: row[name] for name in _TOLD}, "reason": Refusal(row["reason"])})
