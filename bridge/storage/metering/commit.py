"""Commits calls, stays and charges to Postgres, with the place in the journal up to which they were read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Uuid, and_, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, Unavailable
from bridge.domain.metering.fold import ENDED
from bridge.domain.metering.records import (
    Call,
    Change,
    Identity,
    Incident,
    MinuteRecord,
    OpenCall,
    OpenStay,
    instant,
    microseconds,
)
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.domain.period import SECOND_US
from bridge.storage.billing import charging
from bridge.storage.metering import conference_events, rows
from bridge.storage.metering.partitions import Partitions
from bridge.storage.postgres import bulk
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.errors import CHECK_VIOLATION, sqlstate
from bridge.storage.postgres.tables.metering import (
    calls,
    incidents,
    journal_positions,
    minute_records,
    open_calls,
    open_stays,
)
from bridge.usecases.metering.ports import Position, Resumption

log = structlog.get_logger()

A_DAY: Final = timedelta(days=1)
"""A clock that was set back by less than this leaves no channel of a boot out."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last commit whose rows were written, up to a place, and the incidents that the ledger itself found in it.

    If the answer to COMMIT gets lost, nobody knows whether it was carried out. A repeat that finds the place moved
    shows that it was, and these are its incidents.
    """

    node: str
    after: Position
    strange: Sequence[tuple[str, Row]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """The rows that changes come to: the last state of each open call and stay, and none that was closed meanwhile."""

    open_calls: list[Row]
    open_stays: list[Row]
    calls: list[Row]
    records: list[Row]
    incidents: list[Row]


class PostgresLedger:
    """Implements ports.Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._partitions = Partitions(database)
        self._attempt: _Attempt | None = None

    async def resume(self, node: str) -> Resumption:
        async with self._database.snapshot() as connection:
            position = (
                await connection.execute(select(journal_positions).where(journal_positions.c.node == node))
            ).one_or_none()
            called = await connection.execute(select(open_calls).where(open_calls.c.node == node))
            stayed = await connection.execute(select(open_stays).where(open_stays.c.node == node))
            boot = position.pulse.get("boot", "") if position else ""
            ended = await _ended(connection, node, boot) if boot else []
            return Resumption(
                Position(position.file, position.byte_offset) if position else None,
                rows.switch_state_of(position.pulse) if position else SwitchState(),
                [rows.call_of(row) for row in called.mappings()],
                [rows.stay_of(row) for row in stayed.mappings()],
                ended,
            )

    async def commit(
        self, node: str, before: Position | None, after: Position, switch_state: SwitchState, changes: Sequence[Change]
    ) -> Sequence[Incident]:
        batch = _batch(node, switch_state.boot, changes)
        times = [call["started_at"] for call in batch.calls] + [record["joined_at"] for record in batch.records]
        await self._partitions.ensure(times)
        try:
            async with self._database.transaction() as connection:
                if await _move(connection, node, before, after, switch_state):
                    self._attempt = _Attempt(node, after, await _write(connection, batch))
        except IntegrityError as error:
            if sqlstate(error) != CHECK_VIOLATION:
                raise
            self._partitions.forget()
            raise Unavailable("a month of the ledger has been removed; it is made again at the next try") from error
        return self._committed(node, after)

    def _committed(self, node: str, after: Position) -> Sequence[Incident]:
        """The incidents of a commit that is known to have been carried out, once."""
        attempt, self._attempt = self._attempt, None
        if attempt is None or (attempt.node, attempt.after) != (node, after):
            return []
        for kind, record in attempt.strange:
            log.warning("ledger_incident", kind=kind, record=str(record["id"]), mend="see `bridge journal unassigned`")
        return [_incident(kind, record) for kind, record in attempt.strange]


def _batch(node: str, boot: str, changes: Sequence[Change]) -> _Batch:
    """Make rows from changes, one for each call and stay: most have changed several times by the end of a batch."""
    open_calls: dict[tuple[str, int], OpenCall] = {}
    open_stays: dict[Identity, OpenStay] = {}
    calls: dict[tuple[str, int], Call] = {}
    records: dict[Identity, MinuteRecord] = {}
    seen: list[Incident] = []
    for change in changes:
        match change:
            case OpenCall():
                open_calls[change.uniqueid, change.started_us] = change
            case OpenStay():
                open_stays[change.identity] = change
            case Call(call):
                open_calls.pop((call.uniqueid, call.started_us), None)
                calls.setdefault((call.uniqueid, call.started_us), change)
            case MinuteRecord(stay):
                open_stays.pop(stay.identity, None)
                records.setdefault(stay.identity, change)
            case Incident():
                seen.append(change)
    return _Batch(
        [rows.open_call(call) for call in open_calls.values()],
        [rows.open_stay(stay) for stay in open_stays.values()],
        [rows.call(call) for call in calls.values()],
        [rows.minute_record(record) for record in records.values()],
        [rows.incident(node, boot, incident) for incident in seen],
    )


async def _ended(connection: AsyncConnection, node: str, boot: str) -> Sequence[str]:
    """The channels of a boot that ended last, the latest last. A boot's name ends with the time when it began."""
    began = boot.rpartition(":")[2].partition(".")[0]
    since = instant((int(began) if began.isdecimal() else 0) * SECOND_US) - A_DAY
    gone = (
        select(calls.c.uniqueid)
        .where(calls.c.node == node, calls.c.boot == boot, calls.c.started_at >= since)
        .order_by(calls.c.started_at.desc())
        .limit(ENDED)
    )
    return (await connection.execute(gone)).scalars().all()[::-1]


async def _move(
    connection: AsyncConnection, node: str, before: Position | None, after: Position, switch_state: SwitchState
) -> bool:
    """Move the node's position. Return False if it stands at `after` already. Raises Conflict."""
    at = journal_positions.c
    values = {
        "file": after.file,
        "byte_offset": after.offset,
        "pulse": rows.switch_state(switch_state),
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


async def _write(connection: AsyncConnection, batch: _Batch) -> Sequence[tuple[str, Row]]:
    """Write the rows of a batch, and return the records that a person has to look at, with the kind of incident."""
    known = await conference_events.before(connection, batch.open_stays, batch.records)
    await bulk.put(connection, open_calls, batch.open_calls)
    await bulk.put(connection, open_stays, batch.open_stays)
    await close_again(connection, [stay["id"] for stay in batch.open_stays])
    await bulk.remove(connection, open_calls, [call["id"] for call in batch.calls])
    await bulk.remove(connection, open_stays, [record["id"] for record in batch.records])
    await bulk.add(connection, calls, batch.calls)
    new = await bulk.added(connection, minute_records, batch.records)
    # A record that was there already has its charge, or was corrected meanwhile.
    strange = await charging.charge(connection, [record for record in batch.records if record["id"] in new])
    await bulk.add(connection, incidents, batch.incidents + [incident_row(kind, record) for kind, record in strange])
    if known is not None:
        await conference_events.emit(connection, known, new)
    return strange


async def close_again(connection: AsyncConnection, put: Sequence[UUID]) -> None:
    """Remove open stays that have a record already: replayed lines opened them again."""
    if put:
        at, over = open_stays.c, minute_records.c
        recorded = and_(over.id == at.id, over.joined_at == at.joined_at)
        these = at.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
        await connection.execute(delete(open_stays).where(these, recorded), {"ids": list(put)})


def incident_row(kind: str, record: Row) -> dict[str, Any]:
    """The row of `incidents` for a minute record that a person has to look at."""
    return rows.incident(record["node"], record["boot"], _incident(kind, record))


def _incident(kind: str, record: Row) -> Incident:
    return Incident(microseconds(record["joined_at"]), kind, record["uniqueid"])
