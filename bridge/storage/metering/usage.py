"""Minutes of the last day and of the weeks before, by account and by access number."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, Select, String, cast, func, literal, select, union_all

from bridge.domain.metering.usage import DayUsage, UsageKind
from bridge.domain.period import SECOND_US
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import minute_records, open_stays

DAY: Final = timedelta(days=1)
USUAL: Final = timedelta(days=28)
MINUTE_US: Final = 60 * SECOND_US


class PostgresUsage:
    """Implements metering_ports.Usage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_day(self, until: datetime) -> list[DayUsage]:
        """The usage of the day before an instant. The days before it, 28 at most, say what is usual."""
        usage: list[DayUsage] = []
        over, going_on = minute_records.c, open_stays.c
        async with self._database.snapshot() as connection:
            for kind, of_record, of_stay in (
                (UsageKind.ACCOUNT, over.account_id, going_on.account_id),
                (UsageKind.ACCESS_NUMBER, over.access_number, going_on.access_number),
            ):
                rows = await connection.execute(_lately(of_record, of_stay, until))
                lately = {row.value: row.us for row in rows if row.value}
                usual = {row.value: row.minutes for row in await connection.execute(_usual(of_record, until, lately))}
                usage += [
                    DayUsage(kind, value, int(us / MINUTE_US), int(usual.get(value, 0)))
                    for value, us in sorted(lately.items())
                ]
        return usage


def _usual(column: ColumnElement[object], until: datetime, values: Collection[str]) -> Select[str, float | Decimal]:
    """The minutes a day in the weeks before. Days before the first stay don't count."""
    at, begin = minute_records.c, until - DAY - USUAL
    value = cast(column, String).label("value")
    first = func.min(at.joined_at)
    days = func.greatest(1, func.extract("epoch", literal(until - DAY) - first) / DAY.total_seconds())
    return (
        select(value, (func.sum(at.duration_us) / MINUTE_US / days).label("minutes"))
        .where(at.joined_at >= begin, at.joined_at < until - DAY, value.in_(values))
        .group_by(value)
    )


def _lately(
    of_record: ColumnElement[object], of_stay: ColumnElement[object], until: datetime
) -> Select[tuple[str, int]]:
    over, going_on, begin = minute_records.c, open_stays.c, until - DAY
    so_far = func.extract("epoch", literal(until) - func.greatest(going_on.joined_at, begin)) * SECOND_US
    stays = union_all(
        select(cast(of_record, String).label("value"), over.duration_us.label("us")).where(
            over.joined_at >= begin, over.joined_at < until
        ),
        select(cast(of_stay, String), so_far).where(going_on.left_at.is_(None), going_on.joined_at < until),
    ).subquery()
    return select(stays.c.value, func.sum(stays.c.us).label("us")).group_by(stays.c.value)
