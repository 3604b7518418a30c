"""The ledger in Postgres: calls, stays, charges and the place in the journal that they were read up to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, Unavailable
from bridge.domain.journal import Change, Incident
from bridge.domain.minutes import Call, MinuteRecord, OpenCall, OpenStay, microseconds
from bridge.domain.switch_life import Pulse
from bridge.storage import bulk, charging, ledger_rows
from bridge.storage.bulk import Row
from bridge.storage.database import Database
from bridge.storage.failures import CHECK_VIOLATION, sqlstate
from bridge.storage.months import Months
from bridge.storage.tables import calls, incidents, journal_positions, minute_records, open_calls, open_stays
from bridge.usecases.ports import Position, Resumption


@dataclass(slots=True)
class _Batch:
    """What changes come to: of each open row its last state, and none for what was closed meanwhile."""

    open_calls: dict[UUID, Row] = field(default_factory=dict)
    open_stays: dict[UUID, Row] = field(default_factory=dict)
    calls: dict[UUID, Row] = field(default_factory=dict)
    records: dict[UUID, Row] = field(default_factory=dict)
    incidents: list[Row] = field(default_factory=list)


class PostgresLedger:
    """Implements ports.Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months = Months(database)

    async def resume(self, node: str) -> Resumption:
        async with self._database.snapshot() as connection:
            position = (
                await connection.execute(select(journal_positions).where(journal_positions.c.node == node))
            ).one_or_none()
            called = await connection.execute(select(open_calls).where(open_calls.c.node == node))
            stayed = await connection.execute(select(open_stays).where(open_stays.c.node == node))
            return Resumption(
                Position(position.file, position.byte_offset) if position else None,
                ledger_rows.pulse_of(position.pulse) if position else Pulse(),
                [ledger_rows.call_of(row) for row in called.mappings()],
                [ledger_rows.stay_of(row) for row in stayed.mappings()],
            )

    async def commit(
        self, node: str, before: Position | None, after: Position, pulse: Pulse, changes: Sequence[Change]
    ) -> None:
        batch = _batch(node, pulse.boot, changes)
        times = [call["started_at"] for call in batch.calls.values()]
        times += [record["joined_at"] for record in batch.records.values()]
        await self._months.ensure(times)
        try:
            async with self._database.transaction() as connection:
                if await _move(connection, node, before, after, pulse):
                    await _write(connection, batch)
        except IntegrityError as error:
            if sqlstate(error) != CHECK_VIOLATION:
                raise
            self._months.forget()
            raise Unavailable("a month of the ledger has been removed; it is made again at the next try") from error


def _batch(node: str, boot: str, changes: Sequence[Change]) -> _Batch:
    batch = _Batch()
    for change in changes:
        match change:
            case OpenCall():
                batch.open_calls[change.id] = ledger_rows.open_call(change)
            case OpenStay():
                batch.open_stays[change.identity.id] = ledger_rows.open_stay(change)
            case Call():
                batch.open_calls.pop(change.call.id, None)
                batch.calls.setdefault(change.call.id, ledger_rows.call(change))
            case MinuteRecord():
                batch.open_stays.pop(change.stay.identity.id, None)
                batch.records.setdefault(change.stay.identity.id, ledger_rows.minute_record(change))
            case Incident():
                batch.incidents.append(ledger_rows.incident(node, boot, change))
    return batch


async def _move(connection: AsyncConnection, node: str, before: Position | None, after: Position, pulse: Pulse) -> bool:
    """Whether the node's position could be moved; False when it stands at `after` already. Raises Conflict."""
    at = journal_positions.c
    values = {
        "file": after.file,
        "byte_offset": after.offset,
        "pulse": ledger_rows.pulse(pulse),
    }
    if before is None:
        statement = insert(journal_positions).values(node=node, **values).on_conflict_do_nothing()
        moved = await connection.execute(statement.returning(at.node))
    else:
        moved = await connection.execute(
            update(journal_positions)
            .where(at.node == node, at.file == before.file, at.byte_offset == before.offset)
            .values(**values, committed_at=func.now())
            .returning(at.node)
        )
    if moved.one_or_none() is not None:
        return True
    found = (await connection.execute(select(at.file, at.byte_offset).where(at.node == node))).one_or_none()
    if found is not None and Position(*found) == after:
        return False
    where_it_is = f"at byte {found.byte_offset} of {found.file}" if found else "nowhere"
    raise Conflict(
        f"the journal of node {node!r} was to be read on from {before}, but the ledger stands {where_it_is}: "
        "does another daemon read the same journal?"
    )


async def _write(connection: AsyncConnection, batch: _Batch) -> None:
    await bulk.put(connection, open_calls, list(batch.open_calls.values()))
    await bulk.put(connection, open_stays, list(batch.open_stays.values()))
    await close_again(connection, list(batch.open_stays))
    await bulk.remove(connection, open_calls, list(batch.calls))
    await bulk.remove(connection, open_stays, list(batch.records))
    await bulk.add(connection, calls, list(batch.calls.values()))
    records = list(batch.records.values())
    new = await bulk.added(connection, minute_records, records)
    # One that was there already has its charge, or was corrected meanwhile.
    strange = await charging.charge(connection, [record for record in records if record["id"] in new])
    await bulk.add(connection, incidents, batch.incidents + [told(kind, record) for kind, record in strange])


async def close_again(connection: AsyncConnection, put: Sequence[UUID]) -> None:
    """A stay that was opened by reading its lines again, and has its record already, is not open beside that."""
    if put:
        at, over = open_stays.c, minute_records.c
        recorded = and_(over.id == at.id, over.joined_at == at.joined_at)
        await connection.execute(delete(open_stays).where(at.id.in_(put), recorded))


def told(kind: str, record: Row) -> dict[str, Any]:
    """The incident of a minute record that a person has to look at."""
    seen = Incident(microseconds(record["joined_at"]), kind, record["uniqueid"])
    return ledger_rows.incident(record["node"], record["boot"], seen)
