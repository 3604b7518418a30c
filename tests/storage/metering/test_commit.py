"""Rows, charges and the place in the journal move together, once, whatever is repeated or lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, Unavailable
from bridge.domain.metering.arrival import Arrival
from bridge.domain.metering.journal_line import ClockReading, Entering
from bridge.domain.metering.records import (
    Call,
    Change,
    Evidence,
    Incident,
    MinuteRecord,
    OpenCall,
    OpenStay,
    Outcome,
    Reason,
    microseconds,
)
from bridge.domain.metering.switch_timeline import HiddenSpan, NoReplay, PossibleReplay, Replay, ReplayOf, SwitchState
from bridge.domain.provisioning.changes import AccountFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.billing.add_tariff import add_tariff as new_tariff
from bridge.usecases.metering.ports import Position
from bridge.usecases.provisioning import provision
from tests.storage.conftest import NOVEMBER, stay_of

APP_START = Entering(
    7, "node1-1.9", "room", "account", "sub-account", "passcode", "guest", "", "PJSIP/t-9", "49301", None
)
SWITCH_STATE = SwitchState(
    "node1-0.0:1.5",
    ("node1-0.0:0.5",),
    7,
    microseconds(NOVEMBER),
    microseconds(NOVEMBER),
    microseconds(NOVEMBER) + 1,
    5,
    7,
    ClockReading(microseconds(NOVEMBER), 12),
    (HiddenSpan(1, 2, True), HiddenSpan(3, 4, False)),
    HiddenSpan(5, 5, False),
    ReplayOf("node1-0.0:1.5"),
    (Arrival("node1-1.7", 9), Arrival("node1-1.9", 8, APP_START)),
    ("node1-1.8",),
)
A, B, C = (Position("file-1", offset) for offset in (10, 20, 30))
SECOND = 1_000_000
START = microseconds(NOVEMBER) - 4 * SECOND
CALL = OpenCall("node1", "node1-0.0", "node1-1.1", "PJSIP/t-1", "4930123456", "18005550100", "abc@carrier", START)


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


async def rows(database: Database, query: str) -> list[dict[str, Any]]:
    async with database.transaction() as connection:
        return [dict(row) for row in (await connection.execute(text(query))).mappings()]


async def counts(database: Database) -> tuple[int, ...]:
    """Rows of open_calls, open_stays, calls, minute_records, charges."""
    tables = ("open_calls", "open_stays", "calls", "minute_records", "charges")
    return tuple([(await rows(database, f"SELECT count(*) FROM {table}"))[0]["count"] for table in tables])


def closed(stay: OpenStay, seconds: int = 61) -> MinuteRecord:
    left = stay.identity.joined_us + seconds * SECOND
    return MinuteRecord(replace(stay, left_us=left), left, Reason.HUNG_UP, Evidence.MEASURED, 0)


async def commit(
    ledger: PostgresLedger, before: Position | None, after: Position, *changes: Change
) -> Sequence[Incident]:
    return await ledger.commit("node1", before, after, SWITCH_STATE, changes)


async def add_tariff(
    tenants: PostgresTenants, tariffs: PostgresTariffs, owner: SubAccount, since: datetime, price: str = "0.05"
) -> None:
    await new_tariff(tenants, tariffs, owner.account_id, since, Decimal(price), Decimal("0.10"), 30, 6)


async def test_a_node_never_seen_resumes_from_nothing(ledger: PostgresLedger) -> None:
    found = await ledger.resume("node1")
    assert (found.position, found.switch_state, found.calls, found.stays, found.ended) == (
        None,
        SwitchState(),
        [],
        [],
        [],
    )


async def test_a_switch_state_from_before_arrivals_were_kept_whole_is_read(
    ledger: PostgresLedger, database: Database
) -> None:
    await commit(ledger, None, A)
    old = "jsonb_set(pulse, '{entering}', '[[\"node1-1.7\", 9]]')"
    await rows_of_none(database, f"UPDATE journal_positions SET pulse = {old}")
    assert (await ledger.resume("node1")).switch_state.entering == (Arrival("node1-1.7", 9),)


@pytest.mark.parametrize(
    ("replay", "stored"), [(NoReplay(), ""), (PossibleReplay(), "?"), (ReplayOf("node1-0.0:1.5"), "node1-0.0:1.5")]
)
async def test_a_replay_is_stored_as_one_string(
    ledger: PostgresLedger, database: Database, replay: Replay, stored: str
) -> None:
    await ledger.commit("node1", None, A, replace(SWITCH_STATE, again=replay), ())
    assert await rows(database, "SELECT pulse->>'again' AS again FROM journal_positions") == [{"again": stored}]
    assert (await ledger.resume("node1")).switch_state.again == replay


async def test_a_caller_who_is_about_to_join_may_have_any_name(ledger: PostgresLedger) -> None:
    hostile = replace(
        SWITCH_STATE, entering=(Arrival("node1-1.9", 8, replace(APP_START, caller="1\x00", channel="\ud800")),)
    )
    await ledger.commit("node1", None, A, hostile, ())
    [arrival] = (await ledger.resume("node1")).switch_state.entering
    assert arrival.fact == replace(APP_START, caller="1\ufffd", channel="?")


async def test_a_stay_whose_bridge_only_the_exit_told_stays_the_same_stay(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database
) -> None:
    stay = stay_of(sub_account)
    torn = replace(stay, identity=replace(stay.identity, bridge_id=""), evidence=Evidence.ESTIMATED)
    await commit(ledger, None, A, torn)
    assert (await ledger.resume("node1")).stays == [torn]
    over = replace(torn, left_us=stay.identity.joined_us + 61 * SECOND, exit_bridge_id="b-1")
    await commit(ledger, A, B, over)
    assert (await ledger.resume("node1")).stays == [over]
    await commit(ledger, B, C, closed(over))
    [record] = await rows(database, "SELECT * FROM minute_records")
    assert (record["id"], record["bridge_id"]) == (torn.identity.id, "b-1")
    assert record["conference_id"] == stay.conference_id != torn.conference_id
    assert (await ledger.resume("node1")).stays == []


async def test_the_life_of_a_stay(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stay = stay_of(sub_account)
    joined = replace(CALL, answered_us=START + SECOND, outcome=Outcome.JOINED)
    await commit(ledger, None, A, CALL, joined, stay)
    found = await ledger.resume("node1")
    assert (found.position, found.switch_state) == (A, SWITCH_STATE)
    assert (found.calls, found.stays) == ([joined], [stay])
    over = replace(stay, left_us=stay.identity.joined_us + 61 * SECOND, result="HANGUP")
    await commit(ledger, A, B, over)
    assert (await ledger.resume("node1")).stays == [over]
    await commit(ledger, B, C, closed(stay), Call(joined, START + 70 * SECOND, 16, Evidence.MEASURED))
    found = await ledger.resume("node1")
    assert (found.position, found.calls, found.stays) == (C, [], [])
    assert await counts(database) == (0, 0, 1, 1, 1)
    record, call, charge = [
        (await rows(database, f"SELECT * FROM {table}"))[0] for table in ("minute_records", "calls", "charges")
    ]
    assert record["id"] == stay.identity.id == charge["minute_record_id"]
    assert record["joined_at"] == NOVEMBER == charge["joined_at"]
    assert record["left_at"] == NOVEMBER + timedelta(seconds=61)
    assert (record["duration_us"], record["left_reason"]) == (61 * SECOND, "hung_up")
    assert (record["account_id"], record["sub_account_id"]) == (sub_account.account_id, sub_account.id)
    assert record["room_id"] == sub_account.rooms[0].id
    assert (record["node"], record["boot"], record["stamped"]) == ("node1", "node1-0.0", None)
    assert (call["id"], call["outcome"], call["cause"], call["duration_us"]) == (CALL.id, "joined", 16, 70 * SECOND)
    assert (charge["billed_seconds"], charge["amount"]) == (66, Decimal("0.16"))
    assert (charge["user_id"], charge["name"], charge["kind"]) == ("1001", "Ada Hale", "employee")
    assert charge["currency"] == "EUR"


async def test_what_opened_and_closed_in_one_batch_leaves_no_open_row(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database
) -> None:
    stay = stay_of(sub_account)
    done = Call(CALL, START + 70 * SECOND, 16, Evidence.MEASURED)
    await commit(ledger, None, A, CALL, stay, closed(stay), done)
    assert await counts(database) == (0, 0, 1, 1, 0)


async def test_the_same_commit_again_changes_nothing(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database
) -> None:
    changes = (stay_of(sub_account), Incident(START, "garbage_line", "not JSON"))
    for _ in range(3):
        await commit(ledger, None, A, *changes)
    done = closed(stay_of(sub_account))
    for _ in range(3):
        await commit(ledger, A, B, done)
    assert await counts(database) == (0, 0, 0, 1, 0)
    assert [row["kind"] for row in await rows(database, "SELECT kind FROM incidents")] == ["garbage_line"]


class FlakyDatabase:
    """A database whose transactions fail: the first `fails_before` are rolled back at their end, and of the next
    `fails_after`, which are committed, the answer gets lost."""

    def __init__(self, database: Database, fails_before: int, fails_after: int) -> None:
        self._database = database
        self._fails_before, self._fails_after = fails_before, fails_after

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._database.transaction() as connection:
            yield connection
            if self._fails_before > 0:
                self._fails_before -= 1
                raise Unavailable("the connection is lost before COMMIT")
        if self._fails_after > 0:
            self._fails_after -= 1
            raise Unavailable("the answer to COMMIT is lost")


@pytest.mark.parametrize(("fails_before", "fails_after"), [(0, 0), (2, 0), (0, 1), (2, 1)])
async def test_what_the_ledger_finds_is_reported_once_however_often_a_commit_is_tried(
    ledger: PostgresLedger,
    sub_account: SubAccount,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fails_before: int,
    fails_after: int,
) -> None:
    await commit(ledger, None, A, closed(stay_of(sub_account, "node1-1.9")))  # its month is there from here on
    monkeypatch.setattr(ledger, "_database", FlakyDatabase(database, fails_before, fails_after))
    nobodys = closed(replace(stay_of(sub_account), account_id="nobody"))
    for _ in range(fails_before + fails_after):
        with pytest.raises(Unavailable):
            await commit(ledger, A, B, nobodys)
    [found] = await commit(ledger, A, B, nobodys)
    assert (found.kind, found.subject) == ("unassigned_stay", nobodys.stay.identity.uniqueid)
    assert await commit(ledger, A, B, nobodys) == []
    assert [row["kind"] for row in await rows(database, "SELECT kind FROM incidents")] == ["unassigned_stay"]


async def test_a_record_that_is_there_already_stays_as_it_is(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stay = stay_of(sub_account)
    await commit(ledger, None, A, closed(stay, 61))
    await commit(ledger, A, B, closed(stay, 9999))
    [record] = await rows(database, "SELECT duration_us, amount FROM minute_records JOIN charges USING (joined_at)")
    assert record == {"duration_us": 61 * SECOND, "amount": Decimal("0.16")}


@pytest.mark.parametrize("before", [None, B, Position("file-2", 10)])
async def test_another_reader_of_the_same_journal_is_found_out(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database, before: Position | None
) -> None:
    await commit(ledger, None, A)
    with pytest.raises(Conflict, match="at byte 10 of file-1"):
        await commit(ledger, before, C, stay_of(sub_account))
    assert await counts(database) == (0, 0, 0, 0, 0)


async def test_nodes_do_not_meet(ledger: PostgresLedger, sub_account: SubAccount) -> None:
    await commit(ledger, None, A, stay_of(sub_account))
    await ledger.commit("node2", None, B, SwitchState(), ())
    assert (await ledger.resume("node2")).stays == []
    assert len((await ledger.resume("node1")).stays) == 1


async def test_a_commit_whose_answer_was_lost_is_repeated_safely(
    ledger: PostgresLedger, sub_account: SubAccount, url: str
) -> None:
    """The connection dies at every moment of the commit; what is repeated until it succeeds is there once."""
    everyone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bridge'"
    lost = 0
    async with Database(url, "killer", pool=1) as killer:
        before: Position | None = None
        for step in range(1, 41):
            stay = stay_of(sub_account, f"node1-1.{step}")
            while True:
                attempt = asyncio.create_task(commit(ledger, before, Position("file-1", step), closed(stay)))
                if lost < step:
                    async with killer.transaction() as connection:
                        await connection.execute(text("SELECT pg_sleep(:s)"), {"s": step / 10_000})
                        await connection.execute(text(f"{everyone} AND datname = current_database()"))
                try:
                    await attempt
                    break
                except Unavailable:
                    lost += 1
            before = Position("file-1", step)
    assert lost
    # The pool may hold a connection that was cut off after its last use.
    async with Database(url, pool=0) as whole:
        assert await counts(whole) == (0, 0, 0, 40, 0)


async def test_the_ledger_is_append_only(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    done = Call(CALL, START + 70 * SECOND, 16, Evidence.MEASURED)
    await commit(ledger, None, A, closed(stay_of(sub_account)), done)
    changed = {"calls": "cause = 1", "minute_records": "duration_us = 1", "charges": "amount = 0"}
    refused = "append-only: correct by a new row"
    for table, change in changed.items():
        for name in (table, f"{table}_2026_11"):
            for statement in (f"UPDATE {name} SET {change}", f"DELETE FROM {name}", f"TRUNCATE {name}"):
                with pytest.raises(DBAPIError, match=refused):
                    await rows(database, statement)
    with pytest.raises(DBAPIError, match=refused):
        await rows(database, "UPDATE tariff_versions SET per_minute = 0")
    assert await counts(database) == (0, 0, 1, 1, 1)


async def test_every_row_finds_its_month(ledger: PostgresLedger, sub_account: SubAccount, database: Database) -> None:
    times = [datetime.fromisoformat(time) for time in ("2026-10-31T23:59:59.999999Z", "2026-11-01T00:00:00Z")]
    far = [datetime.fromisoformat(time) for time in ("1970-01-01T00:00:00Z", "5138-11-16T09:46:39.999999Z")]
    stays = [stay_of(sub_account, f"node1-1.{number}", at) for number, at in enumerate(times + far)]
    await commit(ledger, None, A, *map(closed, stays))
    found = await rows(database, "SELECT tableoid::regclass::text AS month FROM minute_records ORDER BY joined_at")
    months = ("1970_01", "2026_10", "2026_11", "5138_11")
    assert [row["month"] for row in found] == [f"minute_records_{month}" for month in months]


async def test_a_month_that_somebody_removed_is_made_again(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database
) -> None:
    await commit(ledger, None, A, closed(stay_of(sub_account)))
    for table in ("minute_records", "charges", "calls"):
        await rows_of_none(database, f"DROP TABLE {table}_2026_11")
    with pytest.raises(Unavailable):
        await commit(ledger, A, B, closed(stay_of(sub_account, "node1-1.2")))
    await commit(ledger, A, B, closed(stay_of(sub_account, "node1-1.2")))
    assert (await counts(database))[3] == 1


async def rows_of_none(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement))


HOSTILE = "\\ \x00 \ud800 \u2028 \U0001f600 %s ' \" $1 \n"


async def test_hostile_and_unknown_values_are_kept_as_records(
    ledger: PostgresLedger, sub_account: SubAccount, database: Database
) -> None:
    stay = replace(
        stay_of(sub_account), account_id="nobody", sub_account_id="", room="abc.7", caller=HOSTILE, channel=HOSTILE
    )
    call = replace(CALL, caller=HOSTILE, channel=HOSTILE, sip_call_id=HOSTILE, access_number=HOSTILE)
    await commit(ledger, None, A, stay, call, Incident(START, HOSTILE, HOSTILE))
    [back] = (await ledger.resume("node1")).stays
    assert replace(back, caller="", channel="") == replace(stay, caller="", channel="")
    assert back.caller == HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "?")
    await commit(ledger, A, B, closed(back), Call(call, START, 10**30, Evidence.MEASURED))
    [record] = await rows(database, "SELECT account_id, sub_account_id, room, stamped::json AS ids FROM minute_records")
    assert (record["account_id"], record["sub_account_id"], record["room"]) == (None, None, "abc.7")
    assert record["ids"]["account_id"] == "nobody"
    seen = await rows(database, "SELECT kind, subject FROM incidents ORDER BY id")
    assert (seen[1]["kind"], seen[1]["subject"]) == ("unassigned_stay", stay.identity.uniqueid)
    assert await counts(database) == (0, 0, 1, 1, 0)


async def test_a_sub_account_of_another_account_pays_nothing(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    other = await provision.create_account(tenants, AccountFields("Other", "EUR", "Europe/Berlin"))
    for owner in (sub_account.account_id, other.id):
        await new_tariff(tenants, tariffs, owner, NOVEMBER, Decimal(1))
    await commit(ledger, None, A, closed(replace(stay_of(sub_account), account_id=str(other.id))))
    assert await counts(database) == (0, 0, 0, 1, 0)


async def test_a_charge_that_no_column_can_hold_stops_nothing(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER, "100000")
    await commit(ledger, None, A, closed(stay_of(sub_account), 10**11), closed(stay_of(sub_account, "node1-1.2")))
    assert await counts(database) == (0, 0, 0, 2, 1)
    assert [row["kind"] for row in await rows(database, "SELECT kind FROM incidents")] == ["charge_too_large"]


async def test_many_at_once(
    ledger: PostgresLedger,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
    sub_account: SubAccount,
    database: Database,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    stays = [stay_of(sub_account, f"node1-1.{number}") for number in range(1500)]
    changes: Sequence[Change] = [*stays, *(closed(stay) for stay in stays[:1000])]
    await ledger.commit("node1", None, A, SWITCH_STATE, changes)
    assert await counts(database) == (0, 500, 0, 1000, 1000)
    [total] = await rows(database, "SELECT sum(amount), sum(billed_seconds) AS seconds FROM charges")
    assert total == {"sum": Decimal("160"), "seconds": 66_000}
