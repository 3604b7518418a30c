"""Many rows in one statement: each column travels as one array, whatever the number of rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Delete, Table, Uuid, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

Row = Mapping[str, Any]
AT_A_TIME: Final = 500
_BESIDE: Final = "beside_"


async def add(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, all with the same columns. Rows that exist already stay as they are."""
    if rows:
        await connection.execute(_adding(table, tuple(rows[0])), _columns(rows))


async def added(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> set[UUID]:
    """Insert rows as `add` does, and return the ids of those that did not exist."""
    if not rows:
        return set()
    statement = _adding(table, tuple(rows[0])).returning(table.c.id)
    return set((await connection.execute(statement, _columns(rows))).scalars())


async def inserted(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Row],
    *told: str,
    beside: tuple[Table, Sequence[Row]] | None = None,
) -> Sequence[RowMapping]:
    """Insert rows in chunks, and return those that did not exist, in no order: `id`, and the columns named in `told`.

    Chunks let other tasks of the event loop run in between. `beside` are as many rows of another table, inserted by the
    same statements, which saves a round trip for each chunk.
    """
    added: list[RowMapping] = []
    for start in range(0, len(rows), AT_A_TIME):
        some = rows[start : start + AT_A_TIME]
        values = _columns(some)
        names = tuple(some[0])
        if beside is None:
            statement = _telling(table, names, told)
        else:
            other = beside[1][start : start + AT_A_TIME]
            statement = _telling(table, names, told, beside[0], tuple(other[0]))
            values |= {f"{_BESIDE}{name}": column for name, column in _columns(other).items()}
        added += (await connection.execute(statement, values)).mappings()
    return added


async def put(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, and overwrite those with the same `id`. No id may come twice."""
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
def _telling(
    table: Table,
    names: tuple[str, ...],
    told: tuple[str, ...],
    beside: Table | None = None,
    other_names: tuple[str, ...] = (),
) -> ReturningInsert[Any]:
    statement = _adding(table, names).returning(*(table.c[name] for name in ("id", *told)))
    return statement if beside is None else statement.add_cte(_inserting(beside, other_names, _BESIDE).cte("beside"))


@cache
def _putting(table: Table, names: tuple[str, ...]) -> Insert:
    statement = _inserting(table, names)
    changed = {name: statement.excluded[name] for name in names if name != "id"}
    return statement.on_conflict_do_update(index_elements=["id"], set_=changed)


@cache
def _removing(table: Table) -> Delete:
    return delete(table).where(table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


def _inserting(table: Table, names: tuple[str, ...], prefix: str = "") -> Insert:
    arrays = [bindparam(f"{prefix}{name}", type_=ARRAY(table.c[name].type)) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived(f"{prefix}given")
    return insert(table).from_select(names, select(*(rows.c[name] for name in names)))
