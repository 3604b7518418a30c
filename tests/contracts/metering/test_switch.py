"""The contract of metering_ports.Switch: the fake of the use cases' tests, and ARI on a fake wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bridge.asterisk.ari.client import Ari, ari_connection
from bridge.asterisk.ari.room_listing import AriSwitch, Occupancy
from bridge.domain.admission.seats import Seats
from bridge.domain.errors import Unavailable
from bridge.usecases.metering.ports import Switch
from tests.asterisk.ari import fake_ari
from tests.usecases.metering.fake_switch import FakeSwitch

FEW = frozenset(f"n-1.{number}" for number in range(3))
MANY = frozenset(f"n-1.{number}" for number in range(30))
"""More channels than ARI is asked for one by one."""


@dataclass(frozen=True)
class Installation:
    """A switch, and what can happen to it."""

    switch: Switch
    put: Callable[[Mapping[str, Set[str]], Set[str]], None]
    """Let these participants be in rooms, and these channels exist outside rooms."""
    words: Callable[[], Sequence[tuple[str, str]]]
    """The events in the switch's journal."""
    refuse_words: Callable[[], None]
    lose: Callable[[], Awaitable[None]]


async def _fake() -> AsyncIterator[Installation]:
    switch = FakeSwitch([])

    def put(rooms: Mapping[str, Set[str]], outside: Set[str]) -> None:
        inside: frozenset[str] = frozenset().union(*rooms.values())
        switch.rooms, switch.there = [inside, inside], outside

    def refuse() -> None:
        switch.refuses = True

    async def lose() -> None:
        switch.away = True

    yield Installation(switch, put, lambda: switch.words, refuse, lose)


async def _real() -> AsyncIterator[Installation]:
    async with fake_ari.running() as (wire, login), ari_connection(login) as ari:
        reading = asyncio.create_task(_read(ari))

        def put(rooms: Mapping[str, Set[str]], outside: Set[str]) -> None:
            announcers = {f"announcer-{room}" for room in rooms}
            bridges = [
                {"name": room, "creator": "ConfBridge", "channels": [*inside, f"announcer-{room}"]}
                for room, inside in rooms.items()
            ]
            elsewhere = {"name": "held", "creator": "Stasis", "channels": [*outside]}
            names = {one: f"PJSIP/trunk-{one}" for one in outside.union(*rooms.values())}
            names |= {one: f"CBAnn/{one}" for one in announcers}
            channels = [{"id": one, "name": name} for one, name in names.items()]
            wire.answers = {
                **{f"channels/{one}": (404, None) for one in ("n-gone", *MANY)},
                **{f"channels/{one['id']}": (200, one) for one in channels},
                "channels": (200, channels),
                "bridges": (200, [*bridges, elsewhere]),
            }

        def words() -> Sequence[tuple[str, str]]:
            if wire.answers.get("channels", (200, None))[0] >= 400:
                return ()
            variables = [body["variables"] for uri, body in wire.bodies if uri == "channels"]
            return [(one["BRIDGE_WORD"], one["BRIDGE_ABOUT"]) for one in variables]

        def refuse() -> None:
            wire.answers["channels"] = (500, None)

        async def lose() -> None:
            await wire.sockets[-1].close()

        yield Installation(AriSwitch(ari, Occupancy(Seats(lambda _: None))), put, words, refuse, lose)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(ari: Ari) -> None:
    async for _ in ari.events():
        pass


@pytest.fixture(params=[_fake, _real], ids=["fake", "real"])
async def installation(request: pytest.FixtureRequest) -> AsyncIterator[Installation]:
    async with asyncio.timeout(10), asynccontextmanager(request.param)() as made:
        yield made


async def test_nobody_is_in_no_room(installation: Installation) -> None:
    installation.put({}, {"n-1.1"})
    assert await installation.switch.participants() == set()


@pytest.mark.parametrize("inside", [FEW, MANY], ids=["few", "many"])
async def test_participants_of_all_rooms_are_listed_and_nobody_else(
    installation: Installation, inside: frozenset[str]
) -> None:
    first, *others = sorted(inside)
    installation.put({"r-1": {first}, "r-2": {*others}, "r-3": set()}, {"n-2.1"})
    # Twice: what the switch remembers of channels changes nothing.
    assert await installation.switch.participants() == inside
    assert await installation.switch.participants() == inside


async def test_each_look_is_new(installation: Installation) -> None:
    installation.put({"r-1": {"n-1.1", "n-1.2"}}, set())
    assert await installation.switch.participants() == {"n-1.1", "n-1.2"}
    installation.put({"r-1": {"n-1.2"}, "r-2": {"n-1.3"}}, set())
    assert await installation.switch.participants() == {"n-1.2", "n-1.3"}


@pytest.mark.parametrize("asked", [FEW, MANY], ids=["few", "many"])
async def test_the_given_channels_that_exist_are_those_in_rooms_and_outside(
    installation: Installation, asked: frozenset[str]
) -> None:
    installation.put({"r-1": {"n-1.0", "n-3.1"}}, {"n-1.2", "n-3.2"})
    await installation.switch.participants()
    assert await installation.switch.existing(asked | {"n-gone"}) == {"n-1.0", "n-1.2"}
    assert await installation.switch.existing({"n-gone"}) == set()
    assert await installation.switch.existing(set()) == set()


async def test_words_are_journaled_in_their_order(installation: Installation) -> None:
    for word, about in (("PRESENT", "1:n-1.1"), ("ABSENT", "n-1.2:0"), ("PRESENT", "1:n-1.1")):
        await installation.switch.journal(word, about)
    assert list(installation.words()) == [("PRESENT", "1:n-1.1"), ("ABSENT", "n-1.2:0"), ("PRESENT", "1:n-1.1")]


async def test_a_word_that_is_not_written_is_no_error(installation: Installation) -> None:
    installation.refuse_words()
    await installation.switch.journal("ABSENT", "n-1.2:0")
    assert list(installation.words()) == []


async def test_a_switch_that_is_away_is_unavailable_and_not_empty(installation: Installation) -> None:
    installation.put({"r-1": {"n-1.1"}}, set())
    await installation.lose()
    with pytest.raises(Unavailable):
        await installation.switch.participants()
    for asked in (FEW, MANY):
        with pytest.raises(Unavailable):
            await installation.switch.existing(asked)
    with pytest.raises(Unavailable):
        await installation.switch.journal("ABSENT", "n-1.2:0")
