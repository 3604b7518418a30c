"""The state of the ledger for an operator: how far a node's journal is committed, and its incidents."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.storage.postgres.tables.metering import incidents, journal_positions
from bridge.usecases.metering.ports import Position


@dataclass(frozen=True, slots=True)
class Committed:
    """The place up to which a node's journal was committed, and the newest line's time in µs on the switch's clock."""

    position: Position
    last_us: int


async def committed(connection: AsyncConnection, node: str) -> Committed | None:
    """Return the place up to which a node's journal is committed, None if it never was."""
    at = journal_positions.c
    found = (await connection.execute(select(at.file, at.byte_offset, at.pulse).where(at.node == node))).one_or_none()
    return (
        None
        if found is None
        else Committed(Position(found.file, found.byte_offset), int(found.pulse.get("alive_us", 0)))
    )


async def strange(connection: AsyncConnection, node: str, since: datetime) -> dict[str, int]:
    """Count the incidents of each kind that a node had since an instant, the most frequent first."""
    kinds = (
        select(incidents.c.kind, func.count().label("number"))
        .where(incidents.c.node == node, incidents.c.at >= since)
        .group_by(incidents.c.kind)
        .order_by(func.count().desc(), incidents.c.kind)
    )
    return {row.kind: row.number for row in await connection.execute(kinds)}
