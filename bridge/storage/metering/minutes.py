"""Reads stays of the ledger, open and closed."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Label,
    Numeric,
    Select,
    Subquery,
    Table,
    Text,
    Uuid,
    and_,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.metering.records import Stay
from bridge.domain.period import SECOND_US
from bridge.storage.postgres import current_records
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.billing import charges
from bridge.storage.postgres.tables.metering import minute_records, open_stays
from bridge.storage.postgres.tables.provisioning import known_callers, sub_accounts
from bridge.usecases.metering.ports import StayFilter

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FILTERS: Final = ("account_id", "sub_account_id", "room_id", "conference_id")
_TOLD: Final = (
    *("id", "account_id", "sub_account_id", "room_id", "conference_id", "uniqueid", "role", "caller"),
    *("access_number", "trunk_id", "project_code", "joined_at", "left_at", "evidence", "error_bound_us"),
)


class PostgresMinutes:
    """Implements ports.Minutes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stays(self, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None = None) -> list[Stay]:
        """Implements ports.Minutes.stays. A stay whose end is known, if not yet its reason, counts as closed."""
        going = _page(open_stays, wanted, limit, after)
        if wanted.open is not None:
            left_at = open_stays.c.left_at
            going = going.where(left_at.is_(None) if wanted.open else left_at.is_not(None))
        # One statement sees one instant: a stay that is being closed is seen once, on one side. Each side yields a
        # page before anything is joined to it.
        sides = [_going(going.subquery())]
        if wanted.open is not True:
            over = _page(minute_records, wanted, limit, after).where(current_records.record(minute_records.c))
            sides.append(_closed(over.subquery()))
        both = sides[0].union_all(*sides[1:]).subquery()
        page = select(both).order_by(both.c.joined_at, both.c.id).limit(limit).subquery()
        statement = select(page, _caller_name(page)).order_by(page.c.joined_at, page.c.id)
        async with self._database.transaction() as connection:
            return [_stay(row) for row in (await connection.execute(statement)).mappings()]


async def stays_by_id(
    connection: AsyncConnection, going: Collection[UUID], over: Mapping[UUID, datetime]
) -> list[Stay]:
    """Return stays by their ids: open ones, and records (with the times of joining)."""
    open_ones = select(open_stays).where(open_stays.c.id.in_(going))
    at = minute_records.c
    times = sorted(over.values()) or [_NEVER]
    # Bounds let whole months be left out.
    records = select(minute_records).where(at.id.in_(over), at.joined_at >= times[0], at.joined_at <= times[-1])
    both = _going(open_ones.subquery()).union_all(_closed(records.subquery())).subquery()
    statement = select(both, _caller_name(both))
    return [_stay(row) for row in (await connection.execute(statement)).mappings()]


def _page(table: Table, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None) -> Select[Any]:
    at = table.c
    statement = select(table).order_by(at.joined_at, at.id).limit(limit)
    for name in _FILTERS:
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(at[name] == value)
    if wanted.callers is not None:
        statement = statement.where(at.caller.in_(sorted(wanted.callers)))
    if wanted.joined_from is not None:
        statement = statement.where(at.joined_at >= wanted.joined_from)
    if wanted.joined_until is not None:
        statement = statement.where(at.joined_at < wanted.joined_until)
    if after is not None:
        # The plain bound on top lets whole months be left out.
        later = tuple_(at.joined_at, at.id) > tuple_(literal(after[0]), literal(after[1]))
        statement = statement.where(at.joined_at >= after[0], later)
    return statement


def _closed(page: Subquery) -> Select[Any]:
    return (
        select(
            *(page.c[name] for name in _TOLD),
            page.c.duration_us,
            page.c.left_reason,
            page.c.corrects,
            func.coalesce(charges.c.user_id, sub_accounts.c.user_id).label("user_id"),
            charges.c.billed_seconds,
            charges.c.amount,
            charges.c.currency,
        )
        .outerjoin(charges, current_records.charged(page.c))
        .outerjoin(sub_accounts, _owner(page))
    )


def _going(page: Subquery) -> Select[Any]:
    lasted = func.extract("epoch", page.c.left_at - page.c.joined_at) * SECOND_US
    return select(
        *(page.c[name] for name in _TOLD),
        cast(lasted, BigInteger).label("duration_us"),
        cast(null(), Text).label("left_reason"),
        cast(null(), Uuid).label("corrects"),
        sub_accounts.c.user_id,
        cast(null(), BigInteger).label("billed_seconds"),
        cast(null(), Numeric(18, 6)).label("amount"),
        cast(null(), Text).label("currency"),
    ).outerjoin(sub_accounts, _owner(page))


def _caller_name(page: Subquery) -> Label[str]:
    """The sub-account's name for the caller's number when the stay began."""
    at = known_callers.c
    # Versions of before kept numbers of known callers without their +.
    either = at.number.in_([page.c.caller, func.ltrim(page.c.caller, "+")])
    in_force = and_(at.created_at <= page.c.joined_at, or_(at.removed_at.is_(None), at.removed_at > page.c.joined_at))
    name = select(at.name).where(either, at.sub_account_id == page.c.sub_account_id, in_force)
    return name.limit(1).scalar_subquery().label("caller_name")


def _owner(page: Subquery) -> ColumnElement[bool]:
    return and_(sub_accounts.c.id == page.c.sub_account_id, sub_accounts.c.account_id == page.c.account_id)


def _stay(row: RowMapping) -> Stay:
    if row["left_at"] is not None:
        return Stay(**row)
    return Stay(**{**row, "evidence": None, "error_bound_us": None})
