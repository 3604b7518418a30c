"""Reading the ledger: stays, open and closed, and what an account is billed for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Numeric, Select, Text, and_, cast, func, literal, null, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.selectable import FromClause

from bridge.domain.minutes import Stay
from bridge.domain.period import Period
from bridge.domain.statement import BilledStay
from bridge.storage.database import Database
from bridge.storage.tables import charges, minute_records, open_stays, rooms, sub_accounts
from bridge.usecases.ports import BilledPeriod, StayFilter

MICROSECOND: Final = literal(1_000_000, BigInteger)


class PostgresMinutes:
    """Implements ports.Minutes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stays(self, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None = None) -> list[Stay]:
        """A stay whose end is known, if not yet its reason, counts as closed."""
        parts = [_open(wanted.open)] if wanted.open is True else [_open(wanted.open), _closed()]
        # One statement sees one instant: a stay that is being closed is seen once, on one side.
        pages = [_page(part, table, wanted, limit, after).subquery() for part, table in parts]
        first, *others = [select(page) for page in pages]
        both = first.union_all(*others).subquery()
        statement = select(both).order_by(both.c.joined_at, both.c.id).limit(limit)
        async with self._database.transaction() as connection:
            return [_stay(row) for row in (await connection.execute(statement)).mappings()]

    async def billed(self, account_id: UUID, period: Period) -> BilledPeriod:
        async with self._database.snapshot() as connection:
            result = await connection.execute(_billed(account_id, period))
            stays = [_billed_stay(row) for row in result.mappings()]
            unrated = (await connection.execute(_unrated(account_id, period))).scalar_one()
            going_on = (await connection.execute(_going_on(account_id, period))).scalar_one()
        return BilledPeriod(stays, unrated, going_on)


_Part = tuple[Select[Any], FromClause]


def _common(table: FromClause, duration: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    names = (
        "id account_id sub_account_id room_id conference_id uniqueid role caller access_number project_code joined_at "
        "left_at evidence error_bound_us"
    )
    return [*(table.c[name] for name in names.split()), duration.label("duration_us")]


def _closed() -> _Part:
    records = minute_records
    paid = and_(charges.c.minute_record_id == records.c.id, charges.c.joined_at == records.c.joined_at)
    statement = (
        select(
            *_common(records, records.c.duration_us),
            records.c.left_reason,
            func.coalesce(charges.c.user_id, sub_accounts.c.user_id).label("user_id"),
            charges.c.billed_seconds,
            charges.c.amount,
            charges.c.currency,
        )
        .outerjoin(charges, paid)
        .outerjoin(sub_accounts, _owns(records))
    )
    return statement, records


def _open(only_open: bool | None) -> _Part:
    stays = open_stays
    lasted = func.extract("epoch", stays.c.left_at - stays.c.joined_at) * MICROSECOND
    statement = select(
        *_common(stays, cast(lasted, BigInteger)),
        cast(null(), Text).label("left_reason"),
        sub_accounts.c.user_id,
        cast(null(), BigInteger).label("billed_seconds"),
        cast(null(), Numeric(18, 6)).label("amount"),
        cast(null(), Text).label("currency"),
    ).outerjoin(sub_accounts, _owns(stays))
    if only_open is not None:
        statement = statement.where(stays.c.left_at.is_(None) if only_open else stays.c.left_at.is_not(None))
    return statement, stays


def _owns(table: FromClause) -> ColumnElement[bool]:
    return and_(sub_accounts.c.id == table.c.sub_account_id, sub_accounts.c.account_id == table.c.account_id)


def _page(
    statement: Select[Any], table: FromClause, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None
) -> Select[Any]:
    at = table.c
    for name in ("account_id", "sub_account_id", "room_id", "conference_id", "caller"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(at[name] == value)
    if wanted.joined_from is not None:
        statement = statement.where(at.joined_at >= wanted.joined_from)
    if wanted.joined_until is not None:
        statement = statement.where(at.joined_at < wanted.joined_until)
    if after is not None:
        # The plain bound on top lets whole months be left out.
        order = tuple_(at.joined_at, at.id) > tuple_(literal(after[0]), literal(after[1]))
        statement = statement.where(at.joined_at >= after[0], order)
    return statement.order_by(at.joined_at, at.id).limit(limit)


def _billed(account_id: UUID, period: Period) -> Select[Any]:
    at = minute_records.c
    return (
        select(
            at.id,
            charges.c.sub_account_id,
            charges.c.user_id,
            charges.c.name,
            charges.c.kind,
            at.conference_id,
            func.coalesce(rooms.c.name, at.room).label("room_name"),
            at.role,
            at.caller,
            at.joined_at,
            at.left_at,
            at.duration_us,
            charges.c.billed_seconds,
            charges.c.amount,
            at.evidence,
        )
        .join(charges, and_(charges.c.minute_record_id == at.id, charges.c.joined_at == at.joined_at))
        .outerjoin(rooms, rooms.c.id == at.room_id)
        .where(charges.c.account_id == account_id, *_within(charges.c.joined_at, period))
        .where(*_within(at.joined_at, period))
        .order_by(at.joined_at, at.id)
    )


def _unrated(account_id: UUID, period: Period) -> Select[Any]:
    at = minute_records.c
    return (
        select(func.count())
        .select_from(minute_records)
        .outerjoin(charges, and_(charges.c.minute_record_id == at.id, charges.c.joined_at == at.joined_at))
        .where(at.account_id == account_id, charges.c.id.is_(None), *_within(at.joined_at, period))
    )


def _going_on(account_id: UUID, period: Period) -> Select[Any]:
    at = open_stays.c
    return (
        select(func.count()).select_from(open_stays).where(at.account_id == account_id, *_within(at.joined_at, period))
    )


def _within(column: ColumnElement[Any], period: Period) -> Sequence[ColumnElement[bool]]:
    return column >= period.start, column < period.end


def _stay(row: RowMapping) -> Stay:
    over = row["left_at"] is not None
    return Stay(
        row["id"],
        row["account_id"],
        row["sub_account_id"],
        row["user_id"],
        row["room_id"],
        row["conference_id"],
        row["uniqueid"],
        row["role"],
        row["caller"],
        row["access_number"],
        row["project_code"],
        row["joined_at"],
        row["left_at"],
        row["left_reason"],
        row["duration_us"],
        row["billed_seconds"],
        row["amount"],
        row["currency"],
        row["evidence"] if over else None,
        row["error_bound_us"] if over else None,
    )


def _billed_stay(row: RowMapping) -> BilledStay:
    return BilledStay(**row)
