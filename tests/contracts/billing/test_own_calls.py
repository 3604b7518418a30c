"""The contract of billing_ports.OwnCalls: the fake of the use cases' tests, and the ledger of Postgres."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import Call, OpenCall, Outcome, instant
from bridge.storage.billing.own_calls import PostgresOwnCalls
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.billing.ports import OwnCalls
from bridge.usecases.metering.ports import Position
from tests.storage.billing.test_own_calls import call_at, over
from tests.storage.conftest import NOVEMBER
from tests.storage.directory.directories import nowhere
from tests.storage.metering.test_commit import SWITCH_STATE
from tests.usecases.billing.fake_own_calls import FakeOwnCalls

MONTH = timedelta(days=30)
EVER = NOVEMBER - MONTH, NOVEMBER + MONTH


def _ledger() -> list[OpenCall | Call]:
    """Calls in no order, two at each instant: open, over, and never answered."""
    came = [call_at(NOVEMBER + timedelta(days=7 * (number // 2)), number) for number in range(8)]
    missed = replace(came[5], answered_us=None, outcome=Outcome.UNSERVED)
    return [over(came[7]), came[2], over(missed), came[0], over(came[1]), over(came[4], 7), came[6], over(came[3])]


def _own(one: OpenCall | Call) -> OwnCall:
    call = one.call if isinstance(one, Call) else one
    return OwnCall(
        id=call.id,
        node=call.node,
        uniqueid=call.uniqueid,
        caller=call.caller,
        number=call.access_number,
        sip_call_id=call.sip_call_id,
        started_us=call.started_us,
        answered_us=call.answered_us,
        ended_us=one.ended_us if isinstance(one, Call) else None,
        outcome=call.outcome.value,
        evidence=one.evidence.value if isinstance(one, Call) else None,
    )


CALLS = [_own(one) for one in _ledger()]
ORDERED = sorted(CALLS, key=lambda call: (call.started_us, call.id))


@pytest.fixture(params=["fake", "real"])
async def own_calls(request: pytest.FixtureRequest, database: Database) -> OwnCalls:
    if request.param == "fake":
        return FakeOwnCalls(CALLS)
    await PostgresLedger(database).commit("node1", None, Position("f", 1), SWITCH_STATE, _ledger())
    return PostgresOwnCalls(database)


@pytest.fixture(params=["fake", "real"])
async def lost(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OwnCalls]:
    async with nowhere(tmp_path) as away:
        yield FakeOwnCalls(CALLS, away=True) if request.param == "fake" else PostgresOwnCalls(away)


async def test_calls_open_and_over_come_by_arrival_and_id(own_calls: OwnCalls) -> None:
    assert await own_calls.started(*EVER, 100) == ORDERED


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
async def test_pages_hold_each_call_once(own_calls: OwnCalls, limit: int) -> None:
    read: list[OwnCall] = []
    after = None
    while page := await own_calls.started(*EVER, limit, after):
        assert len(page) <= limit
        read += page
        after = instant(page[-1].started_us), page[-1].id
    assert read == ORDERED


async def test_the_span_holds_its_beginning_and_not_its_end(own_calls: OwnCalls) -> None:
    week = timedelta(days=7)
    assert await own_calls.started(NOVEMBER + week, NOVEMBER + 3 * week, 100) == ORDERED[2:6]
    assert await own_calls.started(NOVEMBER - week, NOVEMBER, 100) == []
    just_after = NOVEMBER + timedelta(microseconds=1)
    assert await own_calls.started(NOVEMBER, just_after, 100) == ORDERED[:2]


async def test_a_page_begins_after_a_pair_that_need_not_be_there(own_calls: OwnCalls) -> None:
    before_all = NOVEMBER - timedelta(days=1), ORDERED[-1].id
    assert await own_calls.started(*EVER, 3, before_all) == ORDERED[:3]
    after_all = NOVEMBER + timedelta(days=29), ORDERED[0].id
    assert await own_calls.started(*EVER, 3, after_all) == []


async def test_a_ledger_that_is_away_is_unavailable(lost: OwnCalls) -> None:
    with pytest.raises(Unavailable):
        await lost.started(*EVER, 100)
