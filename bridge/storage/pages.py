"""Lists in order of creation, a page at a time."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, select, tuple_


def page(statement: Select[Any], table: Table, limit: int, after: UUID | None) -> Select[Any]:
    """The rows of `table` in a statement, oldest first, at most `limit`, after the one with an id."""
    order = tuple_(table.c.created_at, table.c.id)
    if after is not None:
        other = table.alias()
        statement = statement.where(
            order > select(other.c.created_at, other.c.id).where(other.c.id == after).scalar_subquery()
        )
    return statement.order_by(table.c.created_at, table.c.id).limit(limit)
