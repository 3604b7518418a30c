"""The contract of metering_ports.Ledger: the fake of the use cases' tests, and Postgres."""

import pytest

from bridge.domain.errors import Conflict
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.metering.ports import Ledger, Position
from tests.usecases.metering.fake_ledger import FakeLedger

FIRST, SECOND, THIRD = Position("f", 100), Position("f", 200), Position("g", 0)
STATE = SwitchState("node1-0.0")


@pytest.fixture(params=["fake", "real"])
def ledger(request: pytest.FixtureRequest, database: Database) -> Ledger:
    return FakeLedger() if request.param == "fake" else PostgresLedger(database)


async def test_a_node_that_was_never_seen_begins_with_nothing(ledger: Ledger) -> None:
    resumption = await ledger.resume("node1")
    assert (resumption.position, resumption.switch_state) == (None, SwitchState())
    assert (list(resumption.calls), list(resumption.stays), list(resumption.ended)) == ([], [], [])


async def test_a_commit_moves_the_position_of_its_node_alone(ledger: Ledger) -> None:
    await ledger.commit("node1", None, FIRST, STATE, [])
    await ledger.commit("node1", FIRST, THIRD, STATE, [])
    resumption = await ledger.resume("node1")
    assert (resumption.position, resumption.switch_state) == (THIRD, STATE)
    assert (await ledger.resume("node2")).position is None


async def test_a_commit_can_be_repeated(ledger: Ledger) -> None:
    await ledger.commit("node1", None, FIRST, STATE, [])
    for _ in range(2):
        await ledger.commit("node1", FIRST, SECOND, STATE, [])
    assert (await ledger.resume("node1")).position == SECOND


@pytest.mark.parametrize("before", [None, SECOND, THIRD])
async def test_a_commit_from_another_place_is_refused(ledger: Ledger, before: Position | None) -> None:
    await ledger.commit("node1", None, FIRST, STATE, [])
    with pytest.raises(Conflict):
        await ledger.commit("node1", before, Position("h", 7), STATE, [])
    assert (await ledger.resume("node1")).position == FIRST
