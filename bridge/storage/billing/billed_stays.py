"""Reads the stays that an account is billed for in a period."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from bridge.domain.billing.statement import BilledStay
from bridge.domain.period import Period
from bridge.storage.postgres import current_records
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.billing import charges
from bridge.storage.postgres.tables.metering import minute_records, open_stays
from bridge.storage.postgres.tables.provisioning import rooms
from bridge.usecases.billing.ports import BilledPeriod

_RECORD = minute_records.c
_PAID = current_records.charged(_RECORD)


class PostgresBilledStays:
    """Implements ports.BilledStays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def billed(self, account_id: UUID, period: Period) -> BilledPeriod:
        async with self._database.snapshot() as connection:
            rated = (await connection.execute(_rated(account_id, period))).mappings()
            return BilledPeriod(
                [BilledStay(**row) for row in rated],
                (await connection.execute(_unrated(account_id, period))).scalar_one(),
                (await connection.execute(_open(account_id, period))).scalar_one(),
            )


def _rated(account_id: UUID, period: Period) -> Select[Any]:
    told = (
        *(_RECORD[name] for name in ("id", "conference_id", "role", "caller", "joined_at", "left_at")),
        *(_RECORD[name] for name in ("duration_us", "evidence")),
        *(charges.c[name] for name in ("sub_account_id", "user_id", "name", "kind", "billed_seconds", "amount")),
        func.coalesce(rooms.c.name, _RECORD.room).label("room_name"),
    )
    return (
        select(*told)
        .join(charges, _PAID)
        .outerjoin(rooms, rooms.c.id == _RECORD.room_id)
        .where(charges.c.account_id == account_id, *_within(charges.c.joined_at, period))
        .where(*_within(_RECORD.joined_at, period), current_records.stay(_RECORD))
        .order_by(_RECORD.joined_at, _RECORD.id)
    )


def _unrated(account_id: UUID, period: Period) -> Select[Any]:
    return (
        select(func.count())
        .select_from(minute_records)
        .outerjoin(charges, _PAID)
        .where(_RECORD.account_id == account_id, charges.c.id.is_(None), *_within(_RECORD.joined_at, period))
        .where(current_records.stay(_RECORD))
    )


def _open(account_id: UUID, period: Period) -> Select[Any]:
    at = open_stays.c
    going = (at.account_id == account_id, *_within(at.joined_at, period))
    return select(func.count()).select_from(open_stays).where(*going)


def _within(column: ColumnElement[Any], period: Period) -> tuple[ColumnElement[bool], ...]:
    return column >= period.start, column < period.end
