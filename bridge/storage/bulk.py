"""Many rows in one statement: each column travels as one array, whatever the number of rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Delete, Table, Uuid, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, Any]
AT_A_TIME: Final = 500


async def add(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, all with the same columns; those that are there already stay as they are."""
    if rows:
        await connection.execute(_adding(table, tuple(rows[0])), _columns(rows))


async def added(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> set[UUID]:
    """The same; the ids of those that were not there."""
    if not rows:
        return set()
    statement = _adding(table, tuple(rows[0])).returning(table.c.id)
    return set((await connection.execute(statement, _columns(rows))).scalars())


async def inserted(connection: AsyncConnection, table: Table, rows: Sequence[Row], *told: str) -> Sequence[RowMapping]:
    """The same, some at a time so that others in the event loop get their turns; those that were not there, in no
    order: their `id` and what else is asked for."""
    added: list[RowMapping] = []
    columns = [table.c[name] for name in ("id", *told)]
    for start in range(0, len(rows), AT_A_TIME):
        some = rows[start : start + AT_A_TIME]
        statement = _adding(table, tuple(some[0])).returning(*columns)
        added += (await connection.execute(statement, _columns(some))).mappings()
    return added


async def put(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or overwrite those with the same `id`; no id may come twice."""
    if rows:
        await connection.execute(_putting(table, tuple(rows[0])), _columns(rows))


async def remove(connection: AsyncConnection, table: Table, ids: Sequence[object]) -> None:
    """Delete the rows that have these ids."""
    if ids:
        await connection.execute(_removing(table), {"ids": list(ids)})


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@cache
def _adding(table: Table, names: tuple[str, ...]) -> Insert:
    return _inserting(table, names).on_conflict_do_nothing()


@cache
def _putting(table: Table, names: tuple[str, ...]) -> Insert:
    statement = _inserting(table, names)
    changed = {name: statement.excluded[name] for name in names if name != "id"}
    return statement.on_conflict_do_update(index_elements=["id"], set_=changed)


@cache
def _removing(table: Table) -> Delete:
    return delete(table).where(table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


def _inserting(table: Table, names: tuple[str, ...]) -> Insert:
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived("given")
    return insert(table).from_select(names, select(*(rows.c[name] for name in names)))
