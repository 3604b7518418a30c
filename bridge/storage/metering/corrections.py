"""Corrections: a new row stands in for an old one, which is left as it is. Its charge is reversed and made anew."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.storage.billing import charging
from bridge.storage.postgres import bulk, locks
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.tables.billing import charges
from bridge.storage.postgres.tables.metering import minute_records

_CORRECTIONS: Final = UUID("5a3d9a52-3c07-5b0c-9d5e-0f8f4a0e6c21")
_OWN: Final = ("id", "corrects")


def of(record: Row, changed: Row) -> Row:
    """The row that corrects a minute record. The same change of the same row is the same row, id included."""
    content = {name: value for name, value in {**record, **changed}.items() if name not in _OWN}
    said = json.dumps({name: str(value) for name, value in content.items()}, sort_keys=True)
    return {**content, "id": uuid5(_CORRECTIONS, f"{record['id']}|{said}"), "corrects": record["id"]}


async def write(connection: AsyncConnection, records: Iterable[Row], corrected: Sequence[Row]) -> list[tuple[str, Row]]:
    """Write rows made by `of` from `records`, take back the charges of these, and charge the new ones.

    What somebody else has corrected meanwhile is left alone. Returns what a person has to look at, as
    `charging.charge` does. The caller holds `locks.lock_corrections`.
    """
    ids = [row["corrects"] for row in corrected]
    gone = set(
        (
            await connection.execute(select(minute_records.c.corrects).where(minute_records.c.corrects.in_(ids)))
        ).scalars()
    )
    rows = [row for row in corrected if row["corrects"] not in gone]
    former = [record for record in records if record["id"] in {row["corrects"] for row in rows}]
    await locks.lock_tariffs_for_rating(
        connection, {row["account_id"] for row in [*rows, *former] if row["account_id"]}
    )
    await _take_back(connection, former)
    await bulk.add(connection, minute_records, rows)
    return await charging.charge(connection, rows)


async def _take_back(connection: AsyncConnection, records: Sequence[Row]) -> None:
    """Reverse the charges of records, so that their sum is 0 from then on."""
    if not records:
        return
    at = charges.c
    times = [record["joined_at"] for record in records]
    made = select(charges).where(
        at.minute_record_id.in_([record["id"] for record in records]),
        # Bounds let whole months be left out.
        at.joined_at >= min(times),
        at.joined_at <= max(times),
        at.reverses.is_(None),
    )
    await bulk.add(connection, charges, [_reversal(row) for row in (await connection.execute(made)).mappings()])


def _reversal(charge: RowMapping) -> dict[str, Any]:
    return {
        **charge,
        "id": uuid5(_CORRECTIONS, str(charge["id"])),
        "billed_seconds": -charge["billed_seconds"],
        "amount": -charge["amount"],
        "reverses": charge["id"],
    }
