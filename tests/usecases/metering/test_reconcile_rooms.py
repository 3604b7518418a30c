"""Rooms against the journal, on a switch that is told what to answer."""

import asyncio
from collections.abc import Callable

import pytest

from bridge.domain.metering.room_comparison import ROUNDS, JournaledChannels
from bridge.usecases.metering import reconcile_rooms
from tests.usecases.metering.fake_switch import NOBODY, FakeSwitch


async def compared(
    switch: FakeSwitch, recorded: JournaledChannels | None, silent_s: Callable[[], float | None] = lambda: None
) -> list[tuple[str, str]]:
    """What is healed while the switch has answers left."""
    healed: list[tuple[str, str]] = []
    working = asyncio.create_task(
        reconcile_rooms.reconcile_rooms(
            switch, lambda: recorded, silent_s, lambda _: None, lambda kind, channel: healed.append((kind, channel))
        )
    )
    async with asyncio.timeout(10):
        while switch.rooms:
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working])
    return healed


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_rooms, "LOOK_S", 0.0)


async def test_a_stay_of_nobody_is_ended_when_it_was_seen_last_and_only_once_that_lasts() -> None:
    switch = FakeSwitch([{"n-1.1"}, *[NOBODY] * ROUNDS])
    assert await compared(switch, JournaledChannels({"n-1.1"}, NOBODY, NOBODY)) == [("absent", "n-1.1")]
    [(word, about)] = switch.words
    channel, seen = about.split(":")
    assert (word, channel) == ("ABSENT", "n-1.1")
    assert int(seen) > 0


async def test_what_differs_for_a_moment_is_an_event_on_its_way() -> None:
    switch = FakeSwitch([NOBODY] * (ROUNDS - 1))
    assert await compared(switch, JournaledChannels({"n-1.1"}, NOBODY, NOBODY)) == []
    assert switch.words == []


async def test_a_call_that_is_there_no_more_is_ended_and_one_that_is_waits_on() -> None:
    switch = FakeSwitch([NOBODY] * ROUNDS, there={"n-1.2"})
    assert await compared(switch, JournaledChannels(NOBODY, {"n-1.1", "n-1.2"}, NOBODY)) == [("gone", "n-1.1")]
    assert switch.words == [("ABSENT", "n-1.1:0")]


async def test_participants_of_whom_the_journal_knows_nothing_are_journaled_in_words_that_fit_a_line() -> None:
    many = {f"n-1.{number}" for number in range(10)}
    switch = FakeSwitch([many] * ROUNDS)
    healed = await compared(switch, JournaledChannels(NOBODY, NOBODY, NOBODY))
    assert {channel for _, channel in healed} == many
    assert [word for word, _ in switch.words] == ["PRESENT", "PRESENT"]
    assert {channel for _, about in switch.words for channel in about.split(":")[1:]} == many


async def test_those_in_doubt_are_told_at_once_if_they_are_there() -> None:
    switch = FakeSwitch([{"n-1.1"}])
    known = JournaledChannels({"n-1.1", "n-1.2"}, NOBODY, {"n-1.1", "n-1.2"})
    assert await compared(switch, known) == []
    [(word, about)] = switch.words
    assert (word, about.split(":")[1:]) == ("PRESENT", ["n-1.1"])


async def test_a_journal_that_is_behind_is_compared_with_nothing() -> None:
    switch = FakeSwitch([NOBODY] * (2 * ROUNDS))
    assert await compared(switch, None) == []
    assert switch.words == []


async def test_those_in_doubt_are_not_left_so_until_the_next_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_rooms, "LOOK_S", 3600.0)
    monkeypatch.setattr(reconcile_rooms, "DOUBT_S", 0.0)
    switch = FakeSwitch([{"n-1.1"}] * 3)
    await compared(switch, JournaledChannels({"n-1.1"}, NOBODY, {"n-1.1"}))
    assert [word for word, _ in switch.words] == ["PRESENT"] * 3


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_rooms, "LOOK_S", 3600.0)
    monkeypatch.setattr(reconcile_rooms, "DOUBT_S", 0.0)


@pytest.mark.usefixtures("restless")
async def test_everybody_is_told_once_when_a_connection_begins_though_the_ledger_is_away() -> None:
    switch = FakeSwitch([NOBODY, {"n-1.1", "n-1.2"}, {"n-1.2", "n-1.3"}])
    assert await compared(switch, None, lambda: 0.3) == []
    [(word, about)] = switch.words
    # Of the one who came a moment ago the journal may be about to tell, of the one who left it may have told.
    assert (word, about.split(":")[1:]) == ("PRESENT", ["n-1.2"])


@pytest.mark.usefixtures("restless")
async def test_everybody_is_told_again_when_the_switch_can_write_again() -> None:
    signs = iter([0.3, 0.3, 0.3, 2.5, None, 0.1, 0.1, *[0.2] * 1000])
    switch = FakeSwitch([NOBODY, *[{"n-1.1"}] * 4])
    await compared(switch, None, lambda: next(signs))
    assert [about.split(":")[1:] for _, about in switch.words] == [["n-1.1"]] * 2
    assert next(signs) == 0.2
