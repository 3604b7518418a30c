"""Keyset pagination: lists in order of creation, one page at a time, at the same cost for each page."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Table, literal, select, tuple_


def page(statement: Select[Any], table: Table, limit: int, after: UUID | tuple[datetime, UUID] | None) -> Select[Any]:
    """Return a statement's rows of `table`, oldest first, at most `limit`, that come after a place.

    `after` is (created_at, id) or an id alone. With both, the list goes on at its place even if that row was deleted.
    """
    if isinstance(after, UUID):
        other = table.alias()
        place = select(other.c.created_at).where(other.c.id == after).scalar_subquery()
        statement = statement.where(tuple_(table.c.created_at, table.c.id) > tuple_(place, literal(after)))
    elif after is not None:
        statement = later(statement, table, *after)
    return statement.order_by(table.c.created_at, table.c.id).limit(limit)


def later(statement: Select[Any], rows: FromClause, created_at: datetime, last: UUID, by: str = "id") -> Select[Any]:
    """Restrict a statement to rows after the place (`created_at`, `last`); `by` is the column of the id."""
    return statement.where(tuple_(rows.c.created_at, rows.c[by]) > tuple_(literal(created_at), literal(last)))
