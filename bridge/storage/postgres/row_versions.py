"""Versioned rows: each update counts `version` up, so that no client overwrites a change it has not seen."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import NotFound, Stale

Columns = Mapping[str, Any]
"""Columns of a row by name, with their new values."""

_SHOWN: Final = (
    *("state", "kind", "max_callers", "max_participants", "trust_callers", "skips_code", "account_id", "room_id"),
    *("max_sub_accounts", "max_rooms", "max_passcodes", "max_known_callers", "max_webhooks"),
    *("valid_from", "valid_until", "max_uses", "language", "greeting", "currency", "time_zone", "cost_centre"),
    *(
        "addresses",
        "registrar",
        "transport",
        "srtp",
        "dtmf",
        "number_form",
        "country",
        "number_source",
        "trust_identity",
    ),
    *("record_private", "media_networks", "session_timers", "max_calls", "max_dialogues"),
)
"""Fields whose new values stand in the audit log. Of all others only the name stands there."""


async def locked(
    connection: AsyncConnection, table: Table, row_id: UUID, expected: int | None, what: str
) -> RowMapping:
    """Read a row and lock it until the transaction ends. `what` names it in errors. Raises NotFound, Stale."""
    statement = select(table).where(table.c.id == row_id).with_for_update(key_share=True)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no {what} {row_id}")
    if expected is not None and row["version"] != expected:
        raise Stale(f"this {what} is at version {row['version']} by now: read it again, then change it")
    return row


async def updated(connection: AsyncConnection, table: Table, row_id: UUID, changes: Columns) -> RowMapping:
    """Update a row, count its version up, and return it."""
    statement = (
        update(table)
        .where(table.c.id == row_id)
        .values(**changes, version=table.c.version + 1, updated_at=func.clock_timestamp())
        .returning(table)
    )
    row: RowMapping = (await connection.execute(statement)).mappings().one()
    return row


async def deleted(connection: AsyncConnection, table: Table, row_id: UUID) -> None:
    """Delete a row."""
    await connection.execute(delete(table).where(table.c.id == row_id))


def differing(row: RowMapping, changes: Columns) -> dict[str, Any]:
    """Return only the changes that give a field another value than it has."""
    return {name: value for name, value in changes.items() if row[name] != value}


def audit_detail(changes: Columns) -> dict[str, Any]:
    """Return the detail of an audit entry: names of the changed fields, and harmless values."""
    values = {name: value for name, value in changes.items() if name in _SHOWN}
    shown = {name: value if value is None or isinstance(value, int) else str(value) for name, value in values.items()}
    return {"fields": sorted(changes), **shown}
