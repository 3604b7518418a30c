"""Lockout as a part of the daemon: what it keeps, and what it tells."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from bridge import telemetry
from bridge.daemon.lockout import Lockout, Tell
from bridge.domain.admission import guessing
from bridge.domain.admission.bucket import BucketKey, BucketKind, BucketPolicy
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.guessing import Allowance
from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.passcode import Role
from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import Event, EventKind
from bridge.usecases.admission import keep_guard
from tests.daemon.fake_refused_entries import FakeRefusedEntries


class Stock:
    """A stock of expected openings that never ends, while Postgres is there."""

    def __init__(self) -> None:
        self.away, self.drawn = False, 0.0

    async def draw(self, most: float, policy: BucketPolicy) -> float:
        if self.away:
            raise Unavailable("Postgres is away")
        self.drawn += most
        return most


def lockout(folder: Path, tell: Tell, stock: Stock | None = None) -> Lockout:
    """A lockout that nobody is known to."""
    return Lockout(
        "node1",
        folder,
        Allowance(),
        FakeRefusedEntries(),
        90,
        stock or Stock(),
        lambda: 0.0,
        lambda _: frozenset(),
        tell,
    )


def guess(part: Lockout, caller: str, length: int = 9, number: str = "18005550100") -> None:
    """Key a wrong code, where there are 16 live ones of its length."""
    judge = part.guard.judge_passcode(part.guard.source(caller, "192.0.2.7", number), {length: 16})
    assert judge.may_look(length)
    judge.wrong(length)


async def test_guessing_is_told_in_gauge_readiness_and_events_once_postgres_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_guard, "AWAY_S", 0.01)
    told: list[Event] = []
    away = True

    async def tell(event: Event) -> None:
        if away:
            raise Unavailable("Postgres is away")
        told.append(event)

    part = lockout(tmp_path, tell)
    await part.remember()
    assert part.health() == (True, "nobody guesses")
    for number in range(100):
        guess(part, f"+49301{number}")
    running = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(10):
            while not part.guard.alarm.guessing:
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

    again = lockout(tmp_path, tell)
    await again.remember()
    assert again.guard.slots.left(BucketKey(BucketKind.CALLER, "+493010"), again.guard.now) < 1


async def test_the_owner_of_a_passcode_is_told_that_its_pin_is_guessed(tmp_path: Path) -> None:
    told: list[Event] = []

    async def tell(event: Event) -> None:
        told.append(event)

    part = lockout(tmp_path, tell)
    part.guard.slots.draw(Allowance().lot, part.guard.now)
    ids = [str(UUID(int=number)) for number in range(4)]
    grant = Grant(ids[0], ids[1], ids[2], ids[3], Role.HOST, pin=b"246810")
    for number in range(20):
        judge = part.guard.judge_pin(part.guard.source(f"+49301{number}", "192.0.2.7", "18005550100"), grant)
        assert judge.may_look(6)
        judge.wrong(6)
        part.guard.pin_was_wrong(grant)
    running = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(10):
            while not told:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    [event] = [event for event in told if event.kind is EventKind.PIN_GUESSED]
    assert (event.account_id, event.lane) == (UUID(ids[1]), ids[2])
    assert payload.payload(event)["data"] == {"passcode_id": ids[0], "sub_account_id": ids[2]}


async def test_the_nodes_lot_is_filled_from_the_stock_and_waits_while_postgres_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_guard, "AWAY_S", 0.01)
    monkeypatch.setattr(keep_guard, "DRAW_S", 0.01)

    async def tell(event: Event) -> None: ...

    stock = Stock()
    stock.away = True
    part = lockout(tmp_path, tell, stock)
    running = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(10):
            while telemetry.REGISTRY.get_sample_value("bridge_guess_lot_left") != pytest.approx(guessing.FIRST):
                await asyncio.sleep(0.01)
            stock.away = False
            while telemetry.REGISTRY.get_sample_value("bridge_guess_lot_left") != pytest.approx(1):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert stock.drawn == pytest.approx((1 - guessing.FIRST) * Allowance().lot)


async def test_a_state_folder_that_cannot_be_used_is_told_and_counts_go_on(tmp_path: Path) -> None:
    async def tell(event: Event) -> None: ...

    part = lockout(tmp_path / "nowhere", tell)
    await part.remember()
    well, detail = part.health()
    assert well
    assert "in memory alone" in detail
    assert telemetry.REGISTRY.get_sample_value("bridge_lockout_stored") == 0
    for _ in range(10):
        guess(part, "+4930")
    assert part.guard.slots.left(BucketKey(BucketKind.CALLER, "+4930"), part.guard.now) < 0.1
