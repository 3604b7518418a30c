"""Lockout as a part of the daemon: what its settings come to, and what it tells."""

import asyncio
from pathlib import Path

import pytest

from bridge import telemetry
from bridge.daemon import lockout
from bridge.daemon.lockout import Lockout, LockoutSettings
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.throttle import INSTALLATION, Throttle, ThrottleKind
from bridge.domain.errors import Unavailable
from bridge.domain.webhooks.event import Event, EventKind
from bridge.usecases.admission import keep_throttles
from tests.daemon.fake_refused_entries import FakeRefusedEntries

TERMS = LockoutSettings(delay_s=1.0, block_after=10, block_s=300.0, guessing_per_minute=30.0, attempts_keep_days=90)
NOW = 1.7e9


def level_of(per_minute: float, minutes: float, kind: ThrottleKind) -> float:
    """Where failures that come at a steady rate bring a level."""
    throttle, policy, now = Throttle(), lockout.policies(TERMS)[kind], NOW
    while now < NOW + 60 * minutes:
        now += 60 / per_minute
        throttle = throttle.failed(now, policy)
    return throttle.level_at(now, policy)


@pytest.mark.parametrize(("kind", "per_minute"), [(ThrottleKind.INSTALLATION, 30), (ThrottleKind.ACCESS_NUMBER, 15)])
def test_the_alarm_is_at_the_rate_that_the_setting_says(kind: ThrottleKind, per_minute: float) -> None:
    alarm_at = lockout.policies(TERMS)[kind].alarm_at
    assert alarm_at is not None
    assert level_of(0.9 * per_minute, 60, kind) < alarm_at < level_of(1.1 * per_minute, 60, kind)


def test_a_tenth_wrong_entry_blocks_even_if_they_come_slowly_from_call_to_call() -> None:
    policy, throttle = lockout.policies(TERMS)[ThrottleKind.CALLER], Throttle()
    for number in range(10):
        throttle = throttle.failed(NOW + 10 * number, policy)
    assert throttle.blocked(NOW + 100)


async def test_guessing_is_told_in_gauge_readiness_and_events_once_postgres_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_throttles, "AWAY_S", 0.01)
    told: list[Event] = []
    away = True

    async def tell(event: Event) -> None:
        if away:
            raise Unavailable("Postgres is away")
        told.append(event)

    part = Lockout("node1", tmp_path, TERMS, FakeRefusedEntries(), lambda _: False, tell)
    await part.remember()
    assert part.health() == (True, "nobody guesses")
    for number in range(100):
        source = part.guard.source(f"49301{number}", "192.0.2.7", "18005550100")
        part.guard.refused(source, "c-1", Refusal.WRONG)
    running = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(10):
            while not part.guard.throttles.guessing:
                await asyncio.sleep(0.01)
            assert telemetry.REGISTRY.get_sample_value("bridge_guessing") == 2
            well, detail = part.health()
            assert well
            assert "the whole installation" in detail
            assert "access number 18005550100" in detail
            away = False
            while len(told) < 2:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert {event.kind for event in told} == {EventKind.GUESSING_DETECTED}

    again = Lockout("node1", tmp_path, TERMS, FakeRefusedEntries(), lambda _: False, tell)
    await again.remember()
    assert again.guard.throttles.level(INSTALLATION, again.guard.now) > 80


async def test_a_state_folder_that_cannot_be_used_is_told_and_counts_go_on(tmp_path: Path) -> None:
    async def tell(event: Event) -> None: ...

    part = Lockout("node1", tmp_path / "nowhere", TERMS, FakeRefusedEntries(), lambda _: False, tell)
    await part.remember()
    well, detail = part.health()
    assert well
    assert "in memory alone" in detail
    assert telemetry.REGISTRY.get_sample_value("bridge_lockout_stored") == 0
    source = part.guard.source("4930", "192.0.2.7", "1")
    for _ in range(10):
        part.guard.refused(source, "c-1", Refusal.WRONG)
    assert part.guard.blocked(source)
