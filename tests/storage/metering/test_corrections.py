"""Corrections: the ledger only grows, and plain sums over it stay what the bill says."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from bridge.domain.billing.statement import Statement
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.metering import verification
from bridge.domain.metering.records import Call, Evidence, MinuteRecord, OpenStay, Reason, microseconds
from bridge.domain.metering.verification import Difference, LedgerEntry, Verdict
from bridge.domain.provisioning.changes import SubAccountFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.billing.billed_stays import PostgresBilledStays
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.audit import PostgresLedgerAudit
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.metering.unassigned import PostgresUnassignedRecords
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.billing.add_tariff import add_tariff as new_tariff
from bridge.usecases.billing.issue_statement import issue_statement
from bridge.usecases.metering.ports import Position, StayFilter
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.storage.conftest import NOVEMBER, stay_of
from tests.storage.metering.test_commit import CALL, SECOND, START, SWITCH_STATE, add_tariff, closed, counts, rows

FAR = microseconds(NOVEMBER) * 2
A, B, C = (Position("file-1", offset) for offset in (10, 20, 30))
BEHIND = "SET LOCAL session_replication_role = replica"


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


@pytest.fixture
def books(database: Database) -> PostgresLedgerAudit:
    return PostgresLedgerAudit(database)


@pytest.fixture
def owners(database: Database) -> PostgresUnassignedRecords:
    return PostgresUnassignedRecords(database)


@pytest.fixture
async def other(tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount) -> SubAccount:
    return await provision.create_sub_account(
        tenants, secrets, sub_account.account_id, SubAccountFields("1002", "Sales")
    )


async def kept(books: PostgresLedgerAudit) -> list[LedgerEntry]:
    return [*await books.records("node1", 0, FAR, 1000, None)]


async def differences(books: PostgresLedgerAudit, *journal: MinuteRecord) -> Sequence[Difference]:
    """Return the differences between the ledger and a journal with exactly these records."""
    comparison = verification.Comparison(verification.Span())
    for told in journal:
        comparison.journal(told)
    for row in await kept(books):
        comparison.ledger(row)
    opening = await books.opening("node1")
    return comparison.finish((), opening.open, verification.JournalCoverage(0, FAR), 0).differences


async def mended(books: PostgresLedgerAudit, *journal: MinuteRecord) -> None:
    found = await differences(books, *journal)
    await books.mend("node1", found)
    assert await differences(books, *journal) == []


async def sums(database: Database) -> tuple[Decimal, int]:
    [found] = await rows(database, "SELECT sum(amount) AS amount, sum(billed_seconds) AS seconds FROM charges")
    return found["amount"], found["seconds"]


async def bill(database: Database, tenants: PostgresTenants, owner: SubAccount) -> Statement:
    """The statement, which adds up to what SQL says of the charges."""
    found = await issue_statement(tenants, PostgresBilledStays(database), owner.account_id, "2026-11")
    seconds = sum(line.billed_seconds for line in found.lines)
    assert (found.subtotal, seconds) == await sums(database)
    return found


async def behind(database: Database, statement: str) -> None:
    """Change the ledger as no part of the product could."""
    async with database.transaction() as connection:
        await connection.execute(text(BEHIND))
        await connection.execute(text(statement))


async def test_a_length_is_corrected_and_the_bill_with_it(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stays = [stay_of(sub_account, f"node1-1.{number}") for number in range(3)]
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stay, 61) for stay in stays])
    right = [closed(stays[0], 10), closed(stays[1], 61), closed(stays[2], 600)]
    await mended(books, *right)
    found = await bill(database, tenants, sub_account)
    [line] = found.lines
    assert (line.stays, line.duration_us, line.billed_seconds) == (3, 671 * SECOND, 30 + 66 + 600)
    assert (found.unrated, await counts(database)) == (0, (0, 0, 0, 5, 7))
    shown = await PostgresMinutes(database).stays(StayFilter(), 10)
    assert {(stay.duration_us, stay.billed_seconds) for stay in shown} == {
        (10 * SECOND, 30),
        (61 * SECOND, 66),
        (600 * SECOND, 600),
    }
    assert sum(stay.corrects is not None for stay in shown) == 2
    # A correction may be corrected, even back.
    await mended(books, *(closed(stay, 61) for stay in stays))
    assert (await bill(database, tenants, sub_account)).lines[0].billed_seconds == 3 * 66


async def test_what_the_journal_does_not_have_is_corrected_to_nothing(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stay = stay_of(sub_account)
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stay)])
    await mended(books)
    found = await bill(database, tenants, sub_account)
    assert (found.lines, found.subtotal, found.unrated) == ((), 0, 0)
    [shown] = await PostgresMinutes(database).stays(StayFilter(), 10)
    assert (shown.left_reason, shown.duration_us, shown.amount) == ("not_in_journal", 0, None)
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER + timedelta(days=1))
    # A later tariff does not wake it, and a journal that has it again does.
    await mended(books, closed(stay))
    assert (await bill(database, tenants, sub_account)).subtotal == Decimal("0.16")


async def test_mending_twice_changes_nothing(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stays = [stay_of(sub_account, f"node1-1.{number}") for number in range(3)]
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stays[0]), closed(stays[1])])
    found = await differences(books, closed(stays[0], 9), closed(stays[2]))
    await asyncio.gather(*(books.mend("node1", found) for _ in range(3)))
    everything = [await rows(database, f"SELECT * FROM {table} ORDER BY id") for table in ("minute_records", "charges")]
    assert list(map(len, everything)) == [5, 6]
    # The same from a ledger that lost the corrections.
    await behind(database, "DELETE FROM minute_records WHERE corrects IS NOT NULL")
    await books.mend("node1", await differences(books, closed(stays[0], 9), closed(stays[2])))
    again = [await rows(database, f"SELECT * FROM {table} ORDER BY id") for table in ("minute_records", "charges")]
    assert again == everything


async def test_a_month_of_its_own_for_what_is_missing(
    ledger: PostgresLedger, books: PostgresLedgerAudit, sub_account: SubAccount, database: Database
) -> None:
    await ledger.commit("node1", None, A, SWITCH_STATE, [])
    over = Call(CALL, START + 70 * SECOND, 16, Evidence.MEASURED)
    found = [Difference(Verdict.MISSING, closed(stay_of(sub_account)), None), Difference(Verdict.MISSING, over, None)]
    await books.mend("node1", found)
    assert await counts(database) == (0, 0, 1, 1, 0)
    [call] = await books.calls("node1", 0, FAR, 10, None)
    assert call.fields == verification.fields_of(over)


async def test_records_are_told_as_the_fold_tells_them(
    ledger: PostgresLedger, books: PostgresLedgerAudit, sub_account: SubAccount
) -> None:
    odd = replace(stay_of(sub_account), account_id="nobody", sub_account_id="", caller="\x00\\", project_code="x")
    told = [closed(odd), closed(stay_of(sub_account, "node1-1.2"))]
    await ledger.commit("node1", None, A, SWITCH_STATE, told)
    assert await differences(books, *told) == []


async def test_pages(ledger: PostgresLedger, books: PostgresLedgerAudit, sub_account: SubAccount) -> None:
    stays = [stay_of(sub_account, f"node1-1.{n}", NOVEMBER + timedelta(days=n // 2)) for n in range(30)]
    await ledger.commit("node1", None, A, SWITCH_STATE, list(map(closed, stays)))
    seen: list[LedgerEntry] = []
    after = None
    while page := await books.records("node1", 0, FAR, 7, after):
        seen += page
        after = (page[-1].at_us, page[-1].id)
    assert [one.id for one in seen] == [one.id for one in await kept(books)]
    assert len(seen) == 30
    assert await books.records("node2", 0, FAR, 7, None) == []


async def test_open_rows_are_mended(
    ledger: PostgresLedger, books: PostgresLedgerAudit, sub_account: SubAccount, database: Database
) -> None:
    over, going = stay_of(sub_account, "node1-1.1"), stay_of(sub_account, "node1-1.2")
    await ledger.commit("node1", None, A, SWITCH_STATE, [over])
    await books.mend("node1", [*await differences(books, closed(over)), Difference(Verdict.MISSING, going, None)])
    assert (await ledger.resume("node1")).stays == [going]
    assert [one.root for one in await kept(books)] == [over.identity.id]
    # One that is recorded already is not opened.
    await books.mend("node1", [Difference(Verdict.MISSING, over, None)])
    assert (await ledger.resume("node1")).stays == [going]


async def test_a_stay_that_is_opened_by_reading_again_is_not_open_beside_its_record(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stay, another = stay_of(sub_account), stay_of(sub_account, "node1-1.2")
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stay)])
    await ledger.commit("node1", A, B, SWITCH_STATE, [stay, another])
    assert (await ledger.resume("node1")).stays == [another]
    assert len(await PostgresMinutes(database).stays(StayFilter(), 10)) == 2


async def test_what_was_corrected_before_it_was_charged_is_not_charged_when_it_is_read_again(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    stay = stay_of(sub_account)
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stay)])
    await mended(books, closed(stay, 10))
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    await ledger.commit("node1", A, B, SWITCH_STATE, [closed(stay)])
    assert (await bill(database, tenants, sub_account)).lines[0].billed_seconds == 30


async def test_an_estimated_stay_is_billed_as_its_tariff_says(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    for days, generous in ((0, False), (1, True)):
        since = NOVEMBER + timedelta(days=days)
        await new_tariff(
            tenants, tariffs, sub_account.account_id, since, Decimal(1), Decimal(0), 1, 1, bill_estimated=generous
        )
    assert [version.bill_estimated for version in await tariffs.tariff_versions(sub_account.account_id)] == [
        False,
        True,
    ]

    def estimated(number: int, days: int) -> MinuteRecord:
        stay: OpenStay = stay_of(sub_account, f"node1-1.{number}", NOVEMBER + timedelta(days=days))
        return replace(closed(stay, 10), evidence=Evidence.ESTIMATED, error_bound_us=5 * SECOND)

    measured = closed(stay_of(sub_account, "node1-1.9", NOVEMBER + timedelta(days=1)), 10)
    await ledger.commit("node1", None, A, SWITCH_STATE, [estimated(1, 0), estimated(2, 1), measured])
    billed = await rows(database, "SELECT billed_seconds FROM charges ORDER BY joined_at, billed_seconds")
    assert [row["billed_seconds"] for row in billed] == [10, 10, 15]


# --- Owners -------------------------------------------------------------------------------------------------------
async def test_a_record_without_an_owner_is_seen_assigned_and_charged(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    owners: PostgresUnassignedRecords,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    other: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    unstamped = replace(stay_of(sub_account, "node1-1.1"), account_id="", sub_account_id="", room="")
    unknown = replace(stay_of(sub_account, "node1-1.2"), sub_account_id=str(uuid4()))
    told = [closed(unstamped), closed(unknown), closed(stay_of(sub_account, "node1-1.3"))]
    await ledger.commit("node1", None, A, SWITCH_STATE, told)
    shown = await owners.unassigned(None, None, 10, None)
    assert {one.id for one in shown} == {unstamped.identity.id, unknown.identity.id}
    assert {one.stamped["sub_account_id"] for one in shown} == {"", unknown.sub_account_id}
    # REST lists them for the operator, who names no account.
    listed = {stay.id: stay for stay in await PostgresMinutes(database).stays(StayFilter(open=False), 10)}
    assert (listed[unstamped.identity.id].account_id, listed[unstamped.identity.id].sub_account_id) == (None, None)
    assert listed[unknown.identity.id].user_id is None
    for one in shown:
        made = await owners.assign(one.id, other.account_id, other.id, again=False)
        with pytest.raises(Conflict, match=str(made)):
            await owners.assign(one.id, sub_account.account_id, sub_account.id, again=True)
    assert await owners.unassigned(None, None, 10, None) == []
    found = await bill(database, tenants, sub_account)
    assert [(line.user_id, line.stays) for line in found.lines] == [("1001", 1), ("1002", 2)]
    # That is no matter of the journal's, and stays when something else is corrected.
    assert await differences(books, *told) == []
    await mended(books, closed(unstamped, 7), *told[1:])
    assert [line.stays for line in (await bill(database, tenants, sub_account)).lines] == [1, 2]


async def test_an_owner_is_taken_away_only_on_request(
    ledger: PostgresLedger,
    owners: PostgresUnassignedRecords,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    other: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stay = stay_of(sub_account)
    await ledger.commit("node1", None, A, SWITCH_STATE, [closed(stay)])
    with pytest.raises(Conflict, match="--reassign"):
        await owners.assign(stay.identity.id, other.account_id, other.id, again=False)
    with pytest.raises(Conflict, match="already"):
        await owners.assign(stay.identity.id, sub_account.account_id, sub_account.id, again=True)
    with pytest.raises(NotFound, match="no sub-account"):
        await owners.assign(stay.identity.id, uuid4(), other.id, again=True)
    with pytest.raises(NotFound, match="no closed minute record"):
        await owners.assign(uuid4(), other.account_id, other.id, again=True)
    assert await counts(database) == (0, 0, 0, 1, 1)
    made = await owners.assign(stay.identity.id, other.account_id, other.id, again=True)
    found = await bill(database, tenants, sub_account)
    assert [(line.user_id, line.stays) for line in found.lines] == [("1002", 1)]
    await owners.assign(made, sub_account.account_id, sub_account.id, again=True)
    assert [line.user_id for line in (await bill(database, tenants, sub_account)).lines] == ["1001"]


async def test_a_falsified_owner_is_corrected(
    ledger: PostgresLedger,
    books: PostgresLedgerAudit,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    other: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    told = closed(stay_of(sub_account))
    await ledger.commit("node1", None, A, SWITCH_STATE, [told])
    await behind(database, f"UPDATE minute_records SET sub_account_id = '{other.id}', left_reason = 'nonsense'")
    [one] = await differences(books, told)
    assert {field.name for field in one.fields} == {"sub_account_id", "left_reason"}
    await mended(books, told)
    [line] = (await bill(database, tenants, sub_account)).lines
    assert (line.user_id, line.stays) == ("1001", 1)
    [shown] = await PostgresMinutes(database).stays(StayFilter(), 10)
    assert shown.left_reason == Reason.HUNG_UP.value
