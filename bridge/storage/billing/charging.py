"""Writes the charges of closed stays. `bridge.domain.billing.rating` computes each charge."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.billing import rating
from bridge.domain.billing.rating import TariffVersion
from bridge.domain.metering.records import Evidence, Reason
from bridge.storage.postgres import bulk, current_records, locks
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.tables.billing import charges, tariff_versions
from bridge.storage.postgres.tables.metering import minute_records
from bridge.storage.postgres.tables.provisioning import accounts, sub_accounts

_CHARGES: Final = UUID("a2c1f0d4-3b58-5f7a-8f7e-5d1c9be0a6f3")
CHUNK: Final = 5000
TOO_LARGE: Final = 10**12
"""No column holds such an amount. Only a stay whose clock was wrong by years comes to it."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """The sub-account that a stay is charged to, as it is named now."""

    account_id: UUID
    user_id: str
    name: str
    kind: str
    currency: str


async def charge(connection: AsyncConnection, records: Sequence[Row]) -> list[tuple[str, Row]]:
    """Write the charge of each minute record, under the tariff that was in force when its stay began.

    A record that has a charge keeps it. A record gets none if its stay began before the first tariff of its account,
    or if it says that there was no stay. Returns the records that a person has to look at, each with its kind of
    incident: `unassigned_stay` if no sub-account of its account owns the record, `charge_too_large` if only a wrong
    clock can explain the amount.
    """
    if not records:
        return []
    await locks.lock_tariffs_for_rating(
        connection, {record["account_id"] for record in records if record["account_id"]}
    )
    owners = await _owners(connection, {record["sub_account_id"] for record in records if record["sub_account_id"]})
    versions = await tariffs(connection, {owner.account_id for owner in owners.values()})
    rows, strange = [], []
    for record in records:
        if record["left_reason"] == Reason.NOT_IN_JOURNAL:
            continue
        owner = owners.get(record["sub_account_id"])
        if owner is None or owner.account_id != record["account_id"]:
            strange.append(("unassigned_stay", record))
        elif version := rating.effective(versions[owner.account_id], record["joined_at"]):
            row = _row(record, owner, version)
            if row["amount"] < TOO_LARGE:
                rows.append(row)
            else:
                strange.append(("charge_too_large", record))
    await bulk.add(connection, charges, rows)
    return strange


async def charge_waiting(connection: AsyncConnection, account_id: UUID, since: datetime) -> None:
    """Charge the closed stays of an account, from an instant on, that have no charge yet."""
    at = minute_records.c
    waiting = (
        select(minute_records)
        .outerjoin(charges, current_records.charged(at))
        .where(at.account_id == account_id, at.joined_at >= since, charges.c.id.is_(None), current_records.stay(at))
        .order_by(at.joined_at, at.id)
        .limit(CHUNK)
    )
    found = (await connection.execute(waiting)).mappings().all()
    while found:
        await charge(connection, [dict(row) for row in found])
        last = tuple_(literal(found[-1]["joined_at"]), literal(found[-1]["id"]))
        found = (await connection.execute(waiting.where(tuple_(at.joined_at, at.id) > last))).mappings().all()


async def tariffs(connection: AsyncConnection, of: Iterable[UUID]) -> dict[UUID, list[TariffVersion]]:
    """The tariff versions of accounts, in order of their beginning."""
    result = await connection.execute(
        select(tariff_versions)
        .where(tariff_versions.c.account_id.in_(list(of)))
        .order_by(tariff_versions.c.effective_from)
    )
    found: dict[UUID, list[TariffVersion]] = defaultdict(list)
    for row in result.mappings():
        found[row["account_id"]].append(_version(row))
    return found


async def _owners(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, _Owner]:
    result = await connection.execute(
        select(sub_accounts, accounts.c.currency)
        .join(accounts, accounts.c.id == sub_accounts.c.account_id)
        .where(sub_accounts.c.id.in_(list(ids)))
    )
    return {
        row["id"]: _Owner(row["account_id"], row["user_id"], row["name"], row["kind"], row["currency"])
        for row in result.mappings()
    }


def _version(row: RowMapping) -> TariffVersion:
    return TariffVersion(
        row["id"],
        row["account_id"],
        row["effective_from"],
        row["per_minute"],
        row["connect_fee"],
        row["first_increment_s"],
        row["next_increment_s"],
        row["decimals"],
        row["bill_estimated"],
    )


def _row(record: Row, owner: _Owner, version: TariffVersion) -> dict[str, Any]:
    bound_us = record["error_bound_us"] if record["evidence"] == Evidence.ESTIMATED else 0
    cost = rating.charge(record["duration_us"], version, bound_us)
    return {
        "id": uuid5(_CHARGES, str(record["id"])),
        "node": record["node"],
        "boot": record["boot"],
        "minute_record_id": record["id"],
        "joined_at": record["joined_at"],
        "account_id": owner.account_id,
        "sub_account_id": record["sub_account_id"],
        "user_id": owner.user_id,
        "name": owner.name,
        "kind": owner.kind,
        "tariff_version_id": version.id,
        "billed_seconds": cost.billed_seconds,
        "amount": cost.amount,
        "currency": owner.currency,
    }
