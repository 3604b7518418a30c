"""The barrier that refuses new callers while minutes cannot be metered: when it begins and when it ends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.daemon.meter import Meter
from bridge.domain.metering.meter_health import MeterLimits
from bridge.storage.postgres.clock import PostgresClock
from bridge.storage.postgres.database import Database


@pytest.fixture
async def clock() -> AsyncIterator[PostgresClock]:
    """One that never hears of Postgres: no reason to refuse."""
    async with Database("postgresql://bridge@127.0.0.1:9/bridge") as nobody:
        yield PostgresClock(nobody)


def meter(folder: Path, clock: PostgresClock, refuses: bool = True) -> Meter:
    return Meter(folder / "journal" / "cel.jsonl", folder, MeterLimits(1, 3.0), clock, refuses)


async def test_the_barrier_is_up_while_the_folder_is_gone_and_down_at_once_when_it_is_back(
    tmp_path: Path, clock: PostgresClock
) -> None:
    metered = meter(tmp_path, clock)
    assert await metered.barrier() is None
    await metered.look()
    assert "there is no folder" in (await metered.barrier() or "")
    assert metered.health() == (False, metered.health()[1])
    assert "bridge asterisk render" in metered.health()[1]
    (tmp_path / "journal").mkdir()
    # Asked before the next second's look.
    assert await metered.barrier() is None
    assert metered.health()[0]


async def test_an_operator_may_choose_to_lose_minutes_instead_of_callers(tmp_path: Path, clock: PostgresClock) -> None:
    metered = meter(tmp_path, clock, refuses=False)
    await metered.look()
    assert await metered.barrier() is None
    assert metered.failure is not None
    assert not metered.health()[0]


async def test_a_call_is_not_held_up_while_all_is_well(tmp_path: Path, clock: PostgresClock) -> None:
    (tmp_path / "journal").mkdir()
    metered = meter(tmp_path, clock)
    await metered.look()
    asking = metered.barrier()
    # It has the answer without waiting for anything, the disk included.
    with pytest.raises(StopIteration) as done:
        asking.send(None)
    assert done.value.value is None
