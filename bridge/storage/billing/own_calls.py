"""Reads calls of the ledger, open and over."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, Text, cast, literal, null, select, tuple_
from sqlalchemy.engine import RowMapping

from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.metering.records import microseconds
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.columns import TIME
from bridge.storage.postgres.tables.metering import calls, open_calls

_TOLD: Final = (
    *("id", "node", "uniqueid", "caller", "access_number", "sip_call_id"),
    *("started_at", "answered_at", "outcome"),
)
_END: Final = (calls.c.ended_at, calls.c.evidence)
_NO_END: Final = (cast(null(), TIME).label("ended_at"), cast(null(), Text).label("evidence"))


class PostgresOwnCalls:
    """Implements ports.OwnCalls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def started(
        self, since: datetime, until: datetime, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[OwnCall]:
        # One statement sees one instant: a call that is being closed is seen once, on one side.
        over = _page(calls, _END, since, until, limit, after).subquery()
        going = _page(open_calls, _NO_END, since, until, limit, after).subquery()
        both = select(over).union_all(select(going)).subquery()
        statement = select(both).order_by(both.c.started_at, both.c.id).limit(limit)
        async with self._database.transaction() as connection:
            return [_own_call(row) for row in (await connection.execute(statement)).mappings()]


def _page(
    table: Table,
    end: tuple[ColumnElement[Any], ...],
    since: datetime,
    until: datetime,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> Select[Any]:
    at = table.c
    statement = select(*(at[name] for name in _TOLD), *end).where(at.started_at >= since, at.started_at < until)
    if after is not None:
        # The plain bound on top lets whole months be left out.
        later = tuple_(at.started_at, at.id) > tuple_(literal(after[0]), literal(after[1]))
        statement = statement.where(at.started_at >= after[0], later)
    return statement.order_by(at.started_at, at.id).limit(limit)


def _own_call(row: RowMapping) -> OwnCall:
    return OwnCall(
        id=row["id"],
        node=row["node"],
        uniqueid=row["uniqueid"],
        caller=row["caller"],
        number=row["access_number"],
        sip_call_id=row["sip_call_id"],
        started_us=microseconds(row["started_at"]),
        answered_us=None if row["answered_at"] is None else microseconds(row["answered_at"]),
        ended_us=None if row["ended_at"] is None else microseconds(row["ended_at"]),
        outcome=row["outcome"],
        evidence=row["evidence"],
    )
