"""Minute records that no sub-account owns. A correcting row assigns one to a sub-account."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, NotFound
from bridge.domain.metering.records import Reason
from bridge.storage.metering import commit, corrections
from bridge.storage.postgres import bulk, current_records, locks
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import incidents, minute_records
from bridge.storage.postgres.tables.provisioning import sub_accounts

_OWNED = and_(
    sub_accounts.c.id == minute_records.c.sub_account_id, sub_accounts.c.account_id == minute_records.c.account_id
)


@dataclass(frozen=True, slots=True)
class Unowned:
    """A minute record that no sub-account owns. `stamped` are the ids as they stood on the channel."""

    id: UUID
    joined_at: datetime
    duration_us: int
    caller: str
    access_number: str
    room: str
    stamped: Mapping[str, str]


class PostgresUnassignedRecords:
    """Implements no port: commands use it as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unassigned(
        self, since: datetime | None, until: datetime | None, limit: int, after: tuple[datetime, UUID] | None
    ) -> list[Unowned]:
        """Return records that joined in [since, until), by (joining, id), after a given pair. Raises Unavailable."""
        at = minute_records.c
        statement = (
            select(minute_records)
            .outerjoin(sub_accounts, _OWNED)
            .where(sub_accounts.c.id.is_(None), current_records.stay(at))
            .order_by(at.joined_at, at.id)
            .limit(limit)
        )
        if since is not None:
            statement = statement.where(at.joined_at >= since)
        if until is not None:
            statement = statement.where(at.joined_at < until)
        if after is not None:
            later = tuple_(at.joined_at, at.id) > tuple_(literal(after[0]), literal(after[1]))
            statement = statement.where(at.joined_at >= after[0], later)
        async with self._database.transaction() as connection:
            return [_unowned(dict(row)) for row in (await connection.execute(statement)).mappings()]

    async def assign(self, record_id: UUID, account_id: UUID, sub_account_id: UUID, *, again: bool) -> UUID:
        """Assign a record to a sub-account, charge it, and return the id of the correcting row.

        `again` takes the record from another sub-account.

        Raises NotFound (the record, or the sub-account in that account), Conflict (the record has an owner, was
        corrected, or says that there was no stay), Unavailable.
        """
        async with self._database.transaction() as connection:
            await locks.lock_corrections(connection)
            row = await _found(connection, record_id)
            await _check_owner(connection, row, account_id, sub_account_id, again)
            owner = {"account_id": account_id, "sub_account_id": sub_account_id}
            corrected = corrections.of(row, {**owner, "stamped": json.dumps(_stamped(row))})
            strange = await corrections.write(connection, [row], [corrected])
            await bulk.add(connection, incidents, [commit.incident_row(kind, record) for kind, record in strange])
            made: UUID = corrected["id"]
            return made


async def _found(connection: AsyncConnection, record_id: UUID) -> Row:
    """Return the record, if it counts. Raises NotFound, Conflict."""
    at = minute_records.c
    found = await connection.execute(select(minute_records).where(at.id == record_id))
    row = next((dict(row) for row in found.mappings()), None)
    if row is None:
        raise NotFound(f"there is no closed minute record {record_id}: see `bridge journal unassigned`")
    later = (await connection.execute(select(at.id).where(at.corrects == record_id))).scalars().first()
    if later is not None:
        raise Conflict(f"minute record {record_id} was corrected: {later} stands in its place")
    if row["left_reason"] == Reason.NOT_IN_JOURNAL:
        raise Conflict(f"minute record {record_id} says that there was no stay")
    return row


async def _check_owner(
    connection: AsyncConnection, row: Row, account_id: UUID, sub_account_id: UUID, again: bool
) -> None:
    at = sub_accounts.c

    async def owns(account: UUID | None, sub_account: UUID | None) -> bool:
        asked = select(at.id).where(at.id == sub_account, at.account_id == account)
        return (await connection.execute(asked)).one_or_none() is not None

    if not await owns(account_id, sub_account_id):
        raise NotFound(f"account {account_id} has no sub-account {sub_account_id}")
    if (row["account_id"], row["sub_account_id"]) == (account_id, sub_account_id):
        raise Conflict(f"minute record {row['id']} belongs to that sub-account already")
    if not again and await owns(row["account_id"], row["sub_account_id"]):
        raise Conflict(
            f"minute record {row['id']} belongs to sub-account {row['sub_account_id']}: use --reassign to take it away"
        )


def _unowned(row: Row) -> Unowned:
    return Unowned(
        row["id"],
        row["joined_at"],
        row["duration_us"],
        row["caller"],
        row["access_number"],
        row["room"],
        _stamped(row),
    )


def _stamped(row: Row) -> dict[str, Any]:
    """The ids as they were stamped, whoever the record was assigned to later."""
    if row["stamped"]:
        said: dict[str, Any] = json.loads(row["stamped"])
        return said
    ids = {
        name: "" if row[name] is None else str(row[name]) for name in ("account_id", "sub_account_id", "passcode_id")
    }
    return {**ids, "room": row["room"]}
