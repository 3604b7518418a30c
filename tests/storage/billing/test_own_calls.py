"""Reading calls: each once, open or over, in order, of the span asked for."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.metering.records import Call, Evidence, OpenCall, Outcome, microseconds
from bridge.storage.billing.own_calls import PostgresOwnCalls
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.metering.ports import Position
from tests.storage.conftest import NOVEMBER
from tests.storage.metering.test_commit import SECOND, SWITCH_STATE

EVER = NOVEMBER - timedelta(days=400), NOVEMBER + timedelta(days=400)


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


@pytest.fixture
def calls(database: Database) -> PostgresOwnCalls:
    return PostgresOwnCalls(database)


def call_at(at: datetime, number: int = 1) -> OpenCall:
    return OpenCall(
        node="node1",
        boot="node1-0.0",
        uniqueid=f"node1-1.{number}",
        channel="PJSIP/t-1",
        caller="4930123456",
        access_number="18005550100",
        sip_call_id=f"{number}@carrier",
        started_us=microseconds(at),
        answered_us=microseconds(at) + SECOND // 5,
        outcome=Outcome.JOINED,
    )


def over(call: OpenCall, seconds: int = 60) -> Call:
    ended_us = call.started_us + seconds * SECOND
    return Call(call=call, ended_us=ended_us, cause=16, evidence=Evidence.MEASURED)


async def paged(calls: PostgresOwnCalls, since: datetime, until: datetime, limit: int) -> list[OwnCall]:
    seen: list[OwnCall] = []
    after: tuple[datetime, UUID] | None = None
    while page := await calls.started(since, until, limit, after):
        seen += page
        after = (NOVEMBER + timedelta(microseconds=page[-1].started_us - microseconds(NOVEMBER)), page[-1].id)
    return seen


async def test_a_call_open_and_over(ledger: PostgresLedger, calls: PostgresOwnCalls) -> None:
    came = call_at(NOVEMBER)
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, [came])
    going = OwnCall(
        id=came.id,
        node="node1",
        uniqueid="node1-1.1",
        caller="4930123456",
        number="18005550100",
        sip_call_id="1@carrier",
        started_us=came.started_us,
        answered_us=came.answered_us,
        ended_us=None,
        outcome="joined",
        evidence=None,
    )
    assert await calls.started(*EVER, 10) == [going]
    await ledger.commit("node1", Position("f", 1), Position("f", 2), SWITCH_STATE, [over(came)])
    [ended] = await calls.started(*EVER, 10)
    assert ended == replace(going, ended_us=came.started_us + 60 * SECOND, evidence="measured")
    assert ended.duration_us == 60 * SECOND - SECOND // 5


async def test_a_call_that_was_never_answered(ledger: PostgresLedger, calls: PostgresOwnCalls) -> None:
    missed = replace(call_at(NOVEMBER), answered_us=None, outcome=Outcome.UNSERVED)
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, [over(missed)])
    [found] = await calls.started(*EVER, 10)
    assert (found.answered_us, found.duration_us, found.outcome) == (None, 0, "unserved")


async def test_pages_and_spans(ledger: PostgresLedger, calls: PostgresOwnCalls) -> None:
    # Pairs come at the same instant, so that pages break within a tie, and months change.
    came = [call_at(NOVEMBER + timedelta(days=number // 2), number) for number in range(40)]
    changes = [one if number % 3 == 0 else over(one) for number, one in enumerate(came)]
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, changes)
    order = [one.id for one in sorted(came, key=lambda one: (one.started_us, one.id))]
    for limit in (1, 3, 100):
        assert [one.id for one in await paged(calls, *EVER, limit)] == order
    day = timedelta(days=1)
    assert [one.id for one in await paged(calls, NOVEMBER + day, NOVEMBER + 3 * day, 3)] == order[2:6]
    assert await paged(calls, NOVEMBER - day, NOVEMBER, 3) == []


async def test_a_reader_sees_a_call_once_while_it_ends(ledger: PostgresLedger, calls: PostgresOwnCalls) -> None:
    async def come_and_go() -> None:
        for number in range(60):
            came = call_at(NOVEMBER, number)
            before = Position("f", 2 * number) if number else None
            await ledger.commit("node1", before, Position("f", 2 * number + 1), SWITCH_STATE, [came])
            after = Position("f", 2 * number + 2)
            await ledger.commit("node1", Position("f", 2 * number + 1), after, SWITCH_STATE, [over(came)])

    writing = asyncio.create_task(come_and_go())
    most = 0
    while not writing.done():
        ids = [one.id for one in await calls.started(*EVER, 1000)]
        assert len(ids) == len(set(ids)) >= most
        most = len(ids)
    await writing
