"""Lists in order of creation, a page at a time."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Table, literal, select, tuple_


def page(statement: Select[Any], table: Table, limit: int, after: UUID | tuple[datetime, UUID] | None) -> Select[Any]:
    """The rows of `table` in a statement, oldest first, at most `limit`, after one with (created_at, id), or an id.

    The former goes on where it was even when that row is gone.
    """
    if isinstance(after, UUID):
        other = table.alias()
        place = select(other.c.created_at).where(other.c.id == after).scalar_subquery()
        statement = statement.where(tuple_(table.c.created_at, table.c.id) > tuple_(place, literal(after)))
    elif after is not None:
        statement = later(statement, table, *after)
    return statement.order_by(table.c.created_at, table.c.id).limit(limit)


def later(statement: Select[Any], rows: FromClause, created_at: datetime, last: UUID, by: str = "id") -> Select[Any]:
    """Only rows after that place."""
    return statement.where(tuple_(rows.c.created_at, rows.c[by]) > tuple_(literal(created_at), literal(last)))
