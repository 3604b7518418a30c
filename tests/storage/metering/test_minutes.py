"""Reading the ledger: each stay once, open or closed, in order; bills that SQL can check."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from bridge.domain import period
from bridge.domain.metering.records import Stay
from bridge.domain.provisioning.changes import SubAccountFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.billing.billed_stays import PostgresBilledStays
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.billing.add_tariff import add_tariff as new_tariff
from bridge.usecases.billing.issue_statement import issue_statement
from bridge.usecases.metering.ports import Position, StayFilter
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.storage.conftest import NOVEMBER, stay_of
from tests.storage.metering.test_commit import SECOND, SWITCH_STATE, closed

EVERYTHING = StayFilter()


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


@pytest.fixture
def minutes(database: Database) -> PostgresMinutes:
    return PostgresMinutes(database)


@pytest.fixture
async def other(tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount) -> SubAccount:
    return await provision.create_sub_account(
        tenants, secrets, sub_account.account_id, SubAccountFields("1002", "Sales")
    )


async def paged(minutes: PostgresMinutes, wanted: StayFilter, limit: int) -> list[Stay]:
    seen: list[Stay] = []
    after = None
    while page := await minutes.stays(wanted, limit, after):
        seen += page
        after = (page[-1].joined_at, page[-1].id)
    return seen


async def test_a_stay_keeps_its_id_from_join_to_bill(
    ledger: PostgresLedger,
    minutes: PostgresMinutes,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
) -> None:
    await new_tariff(tenants, tariffs, sub_account.account_id, NOVEMBER, Decimal("0.05"))
    stay = stay_of(sub_account)
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, [stay])
    [going] = await minutes.stays(EVERYTHING, 10)
    assert (going.id, going.user_id, going.joined_at) == (stay.identity.id, "1001", NOVEMBER)
    assert (going.left_at, going.duration_us, going.evidence, going.amount) == (None, None, None, None)
    over = replace(stay, left_us=stay.identity.joined_us + 61 * SECOND + 1)
    await ledger.commit("node1", Position("f", 1), Position("f", 2), SWITCH_STATE, [over])
    [ended] = await minutes.stays(EVERYTHING, 10)
    assert (ended.id, ended.duration_us, ended.left_reason) == (going.id, 61 * SECOND + 1, None)
    assert ended.evidence == "measured"
    await ledger.commit("node1", Position("f", 2), Position("f", 3), SWITCH_STATE, [closed(stay)])
    [done] = await minutes.stays(EVERYTHING, 10)
    assert (done.id, done.left_reason, done.billed_seconds, done.amount) == (
        going.id,
        "hung_up",
        120,
        Decimal("0.10"),
    )
    assert done.left_at == NOVEMBER + timedelta(seconds=61)
    assert (done.currency, done.caller, done.room_id) == ("EUR", "4930123456", sub_account.rooms[0].id)


async def test_filters_and_pages(
    ledger: PostgresLedger, minutes: PostgresMinutes, sub_account: SubAccount, other: SubAccount
) -> None:
    owners = (sub_account, other)
    # Pairs join at the same instant, so that pages break within a tie, and months change.
    stays = [
        stay_of(owners[number % 2], f"node1-1.{number}", NOVEMBER + timedelta(days=number // 2)) for number in range(40)
    ]
    changes = [stay if number % 3 == 0 else closed(stay) for number, stay in enumerate(stays)]
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, changes)
    order = [stay.identity.id for stay in sorted(stays, key=lambda stay: (stay.identity.joined_us, stay.identity.id))]
    for limit in (1, 3, 100):
        assert [stay.id for stay in await paged(minutes, EVERYTHING, limit)] == order

    async def found(wanted: StayFilter) -> list[UUID]:
        return [stay.id for stay in await paged(minutes, wanted, 7)]

    evens = [stay.identity.id for stay in stays[::2]]
    assert await found(StayFilter(sub_account_id=sub_account.id)) == evens
    assert await found(StayFilter(room_id=sub_account.rooms[0].id)) == evens
    assert await found(StayFilter(account_id=sub_account.account_id)) == order
    assert await found(StayFilter(conference_id=stays[0].conference_id)) == order
    assert await found(StayFilter(callers=frozenset({"+4930123456", "4930123456"}))) == order
    assert await found(StayFilter(callers=frozenset({"0"}))) == []
    assert set(await found(StayFilter(open=True))) == {stay.identity.id for stay in stays[::3]}
    assert set(await found(StayFilter(open=False))) == set(order) - {stay.identity.id for stay in stays[::3]}
    day = timedelta(days=1)
    within = StayFilter(joined_from=NOVEMBER + day, joined_until=NOVEMBER + 3 * day)
    assert await found(within) == order[2:6]


async def test_a_reader_sees_a_stay_once_while_it_closes(
    ledger: PostgresLedger, minutes: PostgresMinutes, sub_account: SubAccount
) -> None:
    async def open_and_close() -> None:
        for number in range(60):
            stay = stay_of(sub_account, f"node1-1.{number}")
            before = Position("f", 2 * number) if number else None
            await ledger.commit("node1", before, Position("f", 2 * number + 1), SWITCH_STATE, [stay])
            after = Position("f", 2 * number + 2)
            await ledger.commit("node1", Position("f", 2 * number + 1), after, SWITCH_STATE, [closed(stay)])

    writing = asyncio.create_task(open_and_close())
    most = 0
    while not writing.done():
        ids = [stay.id for stay in await minutes.stays(EVERYTHING, 1000)]
        assert len(ids) == len(set(ids)) >= most
        most = len(ids)
    await writing


async def test_the_bill_is_what_sql_says(
    ledger: PostgresLedger,
    minutes: PostgresMinutes,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    other: SubAccount,
    database: Database,
) -> None:
    account_id = sub_account.account_id
    since = NOVEMBER + timedelta(days=2)
    await new_tariff(tenants, tariffs, account_id, since, Decimal("0.0333"), Decimal("0.005"), 1, 1, 4)
    owners = (sub_account, other)
    stays = [
        stay_of(owners[number % 2], f"node1-1.{number}", NOVEMBER + timedelta(hours=7 * number)) for number in range(60)
    ]
    changes = [closed(stay, 7 * number + 1) for number, stay in enumerate(stays[:50])] + stays[50:]
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, changes)
    bill = await issue_statement(tenants, PostgresBilledStays(database), account_id, "2026-11")
    span = period.month("2026-11", "Europe/Berlin")
    async with database.transaction() as connection:
        summed = await connection.execute(
            text(
                "SELECT sum(amount) AS amount, sum(billed_seconds) AS billed, sum(duration_us) AS real, count(*) "
                "FROM charges JOIN minute_records r ON r.id = minute_record_id "
                "WHERE charges.account_id = :account AND charges.joined_at >= :start AND charges.joined_at < :end"
            ),
            {"account": account_id, "start": span.start, "end": span.end},
        )
        row = summed.one()
    assert bill.subtotal == row.amount > 0
    assert sum(line.billed_seconds for line in bill.lines) == row.billed
    assert sum(line.duration_us for line in bill.lines) == row.real
    assert sum(line.stays for line in bill.lines) == row.count
    assert bill.unrated == sum(1 for number in range(50) if timedelta(hours=7 * number) < timedelta(days=2))
    in_month = [stay for stay in stays if stay.identity.joined_us < span.end.timestamp() * SECOND]
    assert row.count + bill.unrated + bill.open == len(in_month)
    assert [line.user_id for line in bill.lines] == ["1001", "1002"]
    assert bill.lines[0].conferences[0].room_name == "Ada Hale"
