"""Minutes of a day beside the usual ones, added up in Postgres."""

from datetime import timedelta

from bridge.domain.metering.usage import DayUsage, UsageKind
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.usage import PostgresUsage
from bridge.storage.postgres.database import Database
from bridge.usecases.metering.ports import Position
from tests.storage.conftest import NOVEMBER, stay_of
from tests.storage.metering.test_commit import SWITCH_STATE, closed

NOW = NOVEMBER + timedelta(days=10)


async def test_minutes_of_a_day_stand_beside_those_of_the_days_before(
    database: Database, sub_account: SubAccount
) -> None:
    # Two days of 60 minutes each (and one long ago), 30 minutes in the last day, and a stay that goes on since 2 hours.
    over = [(timedelta(days=40), 60), (timedelta(days=3), 60), (timedelta(days=2), 60), (timedelta(hours=5), 30)]
    changes = [
        closed(stay_of(sub_account, f"node1-{number}.1", NOW - ago), 60 * minutes)
        for number, (ago, minutes) in enumerate(over)
    ]
    going_on = stay_of(sub_account, "node1-9.1", NOW - timedelta(hours=2))
    ledger = PostgresLedger(database)
    await ledger.commit("node1", None, Position("file-1", 10), SWITCH_STATE, [*changes, going_on])
    account, number = str(sub_account.account_id), going_on.access_number
    assert await PostgresUsage(database).of_day(NOW) == [
        DayUsage(UsageKind.ACCOUNT, account, 150, 60),
        DayUsage(UsageKind.ACCESS_NUMBER, number, 150, 60),
    ]


async def test_what_was_never_used_before_has_nothing_usual(database: Database, sub_account: SubAccount) -> None:
    ledger, stay = PostgresLedger(database), stay_of(sub_account, at=NOW - timedelta(hours=1))
    await ledger.commit("node1", None, Position("file-1", 10), SWITCH_STATE, [closed(stay, 600)])
    assert [(one.minutes, one.usual) for one in await PostgresUsage(database).of_day(NOW)] == [(10, 0), (10, 0)]
    assert await PostgresUsage(database).of_day(NOW + timedelta(days=2)) == []
