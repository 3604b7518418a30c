"""Changes of rows that count them, so that nobody overwrites what they have not seen; each is written down."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import NotFound, Stale
from bridge.usecases.provisioning.ports import Changes

_TOLD: Final = (
    *("state", "kind", "max_callers", "max_participants", "trust_callers", "skips_code", "account_id", "room_id"),
    *("valid_from", "valid_until", "max_uses", "language", "greeting", "currency", "time_zone", "cost_centre"),
)
"""Fields whose values are written down; of others only that they changed."""


async def held(connection: AsyncConnection, table: Table, row_id: UUID, expected: int | None, what: str) -> RowMapping:
    """The row, which nobody else changes until the transaction ends. Raises NotFound, Stale."""
    statement = select(table).where(table.c.id == row_id).with_for_update(key_share=True)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no {what} {row_id}")
    if expected is not None and row["version"] != expected:
        raise Stale(f"this {what} is at version {row['version']} by now: read it again, then change it")
    return row


async def changed(connection: AsyncConnection, table: Table, row_id: UUID, changes: Changes) -> RowMapping:
    """The row, changed."""
    statement = (
        update(table)
        .where(table.c.id == row_id)
        .values(**changes, version=table.c.version + 1, updated_at=func.clock_timestamp())
        .returning(table)
    )
    row: RowMapping = (await connection.execute(statement)).mappings().one()
    return row


async def removed(connection: AsyncConnection, table: Table, row_id: UUID) -> None:
    """The row goes."""
    await connection.execute(delete(table).where(table.c.id == row_id))


def differing(row: RowMapping, changes: Changes) -> dict[str, Any]:
    """Those changes that change something."""
    return {name: value for name, value in changes.items() if row[name] != value}


def detail(changes: Changes) -> dict[str, Any]:
    """What is written down of changes."""
    values = {name: value for name, value in changes.items() if name in _TOLD}
    told = {name: value if value is None or isinstance(value, int) else str(value) for name, value in values.items()}
    return {"fields": sorted(changes), **told}
