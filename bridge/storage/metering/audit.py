"""Reads and mends the ledger for an audit: rows that count, and corrections of rows that should not."""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, delete, literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.metering.records import Call, MinuteRecord, OpenCall, OpenStay, Reason, instant, microseconds
from bridge.domain.metering.verification import Difference, EntryKind, LedgerEntry, Verdict
from bridge.storage.billing import charging
from bridge.storage.metering import commit, corrections
from bridge.storage.metering import rows as ledger_rows
from bridge.storage.metering.partitions import Partitions
from bridge.storage.postgres import bulk, current_records, locks
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import (
    calls,
    incidents,
    journal_positions,
    minute_records,
    open_calls,
    open_stays,
)
from bridge.usecases.metering.ports import LedgerSnapshot, Position

_STAMPED: Final = ("account_id", "sub_account_id", "passcode_id")
_OWNER: Final = ("account_id", "sub_account_id", "stamped")
_PLAIN: Final = (
    *("duration_us", "left_reason", "evidence", "error_bound_us", "room", "role", "project_code", "caller"),
    "access_number",
)
_PLAIN_OF_CALL: Final = ("duration_us", "outcome", "evidence", "caller", "access_number", "sip_call_id")


class PostgresLedgerAudit:
    """Implements ports.LedgerAudit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._partitions = Partitions(database)

    async def opening(self, node: str) -> LedgerSnapshot:
        at = journal_positions.c
        async with self._database.snapshot() as connection:
            place = (await connection.execute(select(at.file, at.byte_offset).where(at.node == node))).one_or_none()
            stays = await connection.execute(select(open_stays).where(open_stays.c.node == node))
            going = await connection.execute(select(open_calls).where(open_calls.c.node == node))
            return LedgerSnapshot(
                Position(place.file, place.byte_offset) if place else None,
                [_open(EntryKind.STAY, row) for row in stays.mappings()]
                + [_open(EntryKind.CALL, row) for row in going.mappings()],
            )

    async def records(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[LedgerEntry]:
        at = minute_records.c
        statement = _page(minute_records, at.joined_at, node, since_us, until_us, limit, after)
        async with self._database.transaction() as connection:
            found = await connection.execute(statement.where(current_records.record(at)))
            rows = [dict(row) for row in found.mappings()]
            roots = await _roots(connection, rows)
            return [_record(row, roots[row["id"]]) for row in rows]

    async def calls(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[LedgerEntry]:
        statement = _page(calls, calls.c.started_at, node, since_us, until_us, limit, after)
        async with self._database.transaction() as connection:
            return [_call(row) for row in (await connection.execute(statement)).mappings()]

    async def mend(self, node: str, found: Sequence[Difference]) -> None:
        told = [one.journal for one in found]
        times = [ledger_rows.minute_record(one)["joined_at"] for one in told if isinstance(one, MinuteRecord)]
        times += [ledger_rows.call(one)["started_at"] for one in told if isinstance(one, Call)]
        await self._partitions.ensure(times)
        async with self._database.transaction() as connection:
            await locks.lock_corrections(connection)
            # This lock keeps the node's daemon from committing meanwhile.
            await connection.execute(
                select(journal_positions).where(journal_positions.c.node == node).with_for_update()
            )
            strange = await _add_missing(connection, found)
            strange += await _correct(connection, found)
            await _mend_open(connection, found)
            await bulk.add(connection, incidents, [commit.incident_row(kind, record) for kind, record in strange])


# --- Reading ------------------------------------------------------------------------------------------------------
def _page(
    table: Table,
    began: ColumnElement[Any],
    node: str,
    since_us: int,
    until_us: int,
    limit: int,
    after: tuple[int, UUID] | None,
) -> Select[Any]:
    statement = select(table).where(table.c.node == node, began >= instant(since_us), began < instant(until_us))
    if after is not None:
        # The plain bound on top lets whole months be left out.
        last = instant(after[0])
        statement = statement.where(began >= last, tuple_(began, table.c.id) > tuple_(literal(last), literal(after[1])))
    return statement.order_by(began, table.c.id).limit(limit)


async def _roots(connection: AsyncConnection, rows: Sequence[Row]) -> dict[UUID, UUID]:
    """For each record, the id of the row that its corrections go back to."""
    roots = {row["id"]: row["corrects"] or row["id"] for row in rows}
    at = minute_records.c
    asked = {row["corrects"] for row in rows if row["corrects"]}
    seen = set(asked)
    while asked:
        found = await connection.execute(select(at.id, at.corrects).where(at.id.in_(asked), at.corrects.is_not(None)))
        before = {row.id: row.corrects for row in found}
        roots = {id: before.get(root, root) for id, root in roots.items()}
        asked = set(before.values()) - seen
        seen |= asked
    return roots


def _record(row: Row, root: UUID) -> LedgerEntry:
    fields = {
        "joined_at": microseconds(row["joined_at"]),
        "left_at": microseconds(row["left_at"]),
        **{name: row[name] for name in _PLAIN},
        **{name: _stamp(row, name) for name in _STAMPED},
    }
    key = (row["node"], row["uniqueid"], row["bridge_id"])
    return LedgerEntry(EntryKind.STAY, row["id"], root, key, fields["joined_at"], fields["left_at"], fields)


def _stamp(row: Row, name: str) -> str:
    """An id as it was stamped on the channel. The journal does not know to whom a record was assigned later."""
    if row["stamped"] is None:
        return str(row[name])
    said = str(json.loads(row["stamped"]).get(name))
    assigned = row["corrects"] is not None
    return said if assigned or ledger_rows.uuid_or_none(said) == row[name] else str(row[name])


def _call(row: RowMapping) -> LedgerEntry:
    fields = {
        "started_at": microseconds(row["started_at"]),
        "answered_at": None if row["answered_at"] is None else microseconds(row["answered_at"]),
        "ended_at": microseconds(row["ended_at"]),
        **{name: row[name] for name in _PLAIN_OF_CALL},
    }
    key = (row["node"], row["uniqueid"])
    return LedgerEntry(EntryKind.CALL, row["id"], row["id"], key, fields["started_at"], fields["ended_at"], fields)


def _open(kind: EntryKind, row: RowMapping) -> LedgerEntry:
    stay = kind is EntryKind.STAY
    key = (row["node"], row["uniqueid"], *((row["bridge_id"],) if stay else ()))
    began = microseconds(row["joined_at" if stay else "started_at"])
    told = {"caller": row["caller"], "access_number": row["access_number"]}
    return LedgerEntry(kind, row["id"], row["id"], key, began, None, told, open=True)


# --- Mending ------------------------------------------------------------------------------------------------------
async def _add_missing(connection: AsyncConnection, found: Sequence[Difference]) -> list[tuple[str, Row]]:
    """Write entries that are over, and that the ledger has not or holds open only."""
    over = [one.journal for one in found if one.verdict in (Verdict.MISSING, Verdict.OPEN_IN_LEDGER)]
    await bulk.add(connection, calls, [ledger_rows.call(one) for one in over if isinstance(one, Call)])
    records = [ledger_rows.minute_record(one) for one in over if isinstance(one, MinuteRecord)]
    new = await bulk.added(connection, minute_records, records)
    return await charging.charge(connection, [record for record in records if record["id"] in new])


async def _correct(connection: AsyncConnection, found: Sequence[Difference]) -> list[tuple[str, Row]]:
    wrong = {
        one.ledger.id: one.journal
        for one in found
        if one.ledger and one.kind is EntryKind.STAY and one.verdict in (Verdict.DIFFERS, Verdict.NOT_IN_JOURNAL)
    }
    if not wrong:
        return []
    at = minute_records.c
    read = await connection.execute(select(minute_records).where(at.id.in_(list(wrong))))
    rows = [dict(row) for row in read.mappings()]
    corrected = [corrections.of(row, _corrected(row, wrong[row["id"]])) for row in rows]
    return await corrections.write(connection, rows, corrected)


def _corrected(row: Row, told: object) -> Row:
    """The fields that the journal has for a record."""
    if not isinstance(told, MinuteRecord):
        reason = Reason.NOT_IN_JOURNAL.value
        return {"left_at": row["joined_at"], "duration_us": 0, "error_bound_us": 0, "left_reason": reason}
    right = ledger_rows.minute_record(told)
    if row["corrects"] is not None and all(_stamp(row, name) == _stamped(told.stay, name) for name in _STAMPED):
        # Somebody may have assigned it.
        right |= {name: row[name] for name in _OWNER}
    return right


def _stamped(stay: OpenStay, name: str) -> str:
    said: str = getattr(stay, name)
    return said


async def _mend_open(connection: AsyncConnection, found: Sequence[Difference]) -> None:
    over = [one.ledger for one in found if one.ledger and one.verdict is Verdict.OPEN_IN_LEDGER]
    await bulk.remove(connection, open_stays, [kept.id for kept in over if kept.kind is EntryKind.STAY])
    await bulk.remove(connection, open_calls, [kept.id for kept in over if kept.kind is EntryKind.CALL])
    going = [one.journal for one in found if one.verdict is Verdict.MISSING]
    stays = [ledger_rows.open_stay(one) for one in going if isinstance(one, OpenStay)]
    await bulk.add(connection, open_stays, stays)
    await commit.close_again(connection, [stay["id"] for stay in stays])
    going_calls = [ledger_rows.open_call(one) for one in going if isinstance(one, OpenCall)]
    await bulk.add(connection, open_calls, going_calls)
    recorded = and_(calls.c.id == open_calls.c.id, calls.c.started_at == open_calls.c.started_at)
    await connection.execute(
        delete(open_calls).where(open_calls.c.id.in_([call["id"] for call in going_calls]), recorded)
    )
