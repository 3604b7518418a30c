"""This machine's clock against that of a real Postgres."""

import time

import pytest

from bridge.domain.errors import Unavailable
from bridge.storage.postgres.clock import STALE_S, PostgresClock
from bridge.storage.postgres.database import Database


async def test_one_machine_has_one_time(database: Database) -> None:
    clock = PostgresClock(database)
    assert clock.clock is None
    await clock.read()
    seen = clock.clock
    assert seen is not None
    assert abs(seen.offset_s) <= seen.bound_s + 0.01
    assert seen.bound_s < 1


async def test_a_step_of_the_clock_shows_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = PostgresClock(database)
    await clock.read()
    now = time.time
    monkeypatch.setattr("bridge.storage.postgres.clock.time.time", lambda: now() - 7.0)
    seen = clock.clock
    assert seen is not None
    assert abs(seen.offset_s + 7.0) <= seen.bound_s + 0.01


async def test_a_reading_of_long_ago_is_none(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = PostgresClock(database)
    await clock.read()
    now = time.clock_gettime
    monkeypatch.setattr("bridge.storage.postgres.clock.time.clock_gettime", lambda which: now(which) + STALE_S + 1)
    assert clock.clock is None


async def test_a_postgres_that_is_away_is_told() -> None:
    async with Database("postgresql://bridge@127.0.0.1:9/bridge") as nobody:
        clock = PostgresClock(nobody)
        with pytest.raises(Unavailable):
            await clock.read()
        assert clock.clock is None
