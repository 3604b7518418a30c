"""The contract of conference_ports.LiveRooms: the fake of the API's tests, and AMI on a fake wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.asterisk.ami.client import ami_connection
from bridge.asterisk.ami.live_rooms import AmiLiveRooms
from bridge.domain.errors import Unavailable
from bridge.usecases.conference.ports import LiveConference, LiveParticipant, LiveRooms, LiveView
from tests.api.fake_live_rooms import FakeLiveRooms
from tests.asterisk.ami import fake_ami

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Installation:
    """Live rooms, and what can happen in them. Nobody is there at first."""

    rooms: LiveRooms
    join: Callable[[LiveConference], Awaitable[None]]
    """Let the participants of a conference come in, one after the other."""
    end: Callable[[LiveConference], Awaitable[None]]
    """Let all of them leave."""
    lose: Callable[[], Awaitable[None]]
    """Let node1, and every other node, be unknown from now on."""


def conference(number: int, *joined_s: int) -> LiveConference:
    """A conference whose participants came so many seconds after START."""
    participants = tuple(
        LiveParticipant(
            f"node1-{number}.{place}",
            f"493012345{place}",
            "guest" if place else "host",
            START + timedelta(seconds=seconds),
            muted=place == 1,
            talking=False,
        )
        for place, seconds in enumerate(joined_s)
    )
    return LiveConference(f"room-{number}", participants[0].joined_at, participants)


async def _fake() -> AsyncIterator[Installation]:
    rooms = FakeLiveRooms()

    async def join(wanted: LiveConference) -> None:
        rooms.conferences.append(wanted)

    async def end(wanted: LiveConference) -> None:
        number = rooms.conferences.index(wanted)
        rooms.conferences[number] = replace(wanted, participants=())

    async def lose() -> None:
        rooms.unknown = rooms.nodes

    yield Installation(rooms, join, end, lose)


async def _real() -> AsyncIterator[Installation]:
    async with fake_ami.running() as (wire, login), ami_connection(login) as ami:
        wire.answers["ConfbridgeListRooms"] = "Response: Error\r\nMessage: No active conferences.\r\n"
        rooms, known = AmiLiveRooms("node1"), asyncio.Event()
        following = asyncio.create_task(rooms.follow(ami, known.set))
        await known.wait()
        present = 0

        async def until(count: int) -> None:
            nonlocal present
            present = count
            while rooms.participants != present:
                await asyncio.sleep(0.001)

        def send(kind: str, room: str, person: LiveParticipant) -> None:
            fields = {
                "Event": kind,
                "Timestamp": f"{person.joined_at.timestamp():.6f}",
                "Conference": room,
                "Uniqueid": person.uniqueid,
                "CallerIDNum": person.caller,
                "Admin": "Yes" if person.role == "host" else "No",
                "Muted": "Yes" if person.muted else "No",
            }
            message = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            wire.writers[-1].write(f"{message}\r\n".encode())

        async def join(wanted: LiveConference) -> None:
            for person in wanted.participants:
                send("ConfbridgeJoin", wanted.room_id, person)
            await until(present + len(wanted.participants))

        async def end(wanted: LiveConference) -> None:
            for person in wanted.participants:
                send("ConfbridgeLeave", wanted.room_id, person)
            await until(present - len(wanted.participants))

        async def lose() -> None:
            wire.writers[-1].close()
            await asyncio.wait([following])

        yield Installation(rooms, join, end, lose)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.fixture(params=[_fake, _real], ids=["fake", "real"])
async def installation(request: pytest.FixtureRequest) -> AsyncIterator[Installation]:
    async with asyncio.timeout(10), asynccontextmanager(request.param)() as made:
        yield made


async def test_nobody_there_is_an_empty_view(installation: Installation) -> None:
    assert installation.rooms.view() == LiveView(())


async def test_a_conference_has_all_its_participants(installation: Installation) -> None:
    wanted = conference(1, 0, 5, 9)
    await installation.join(wanted)
    assert installation.rooms.view() == LiveView((wanted,))


async def test_conferences_come_in_order_of_their_start(installation: Installation) -> None:
    conferences: Sequence[LiveConference] = [
        conference(1, 20),
        conference(2, 0, 30),
        conference(3, 40),
        conference(4, 10),
    ]
    for each in conferences:
        await installation.join(each)
    view = installation.rooms.view()
    assert [each.room_id for each in view.conferences] == ["room-2", "room-4", "room-1", "room-3"]
    assert view.unknown_nodes == ()


async def test_a_room_that_everybody_has_left_is_no_conference(installation: Installation) -> None:
    over, going = conference(1, 0, 5), conference(2, 10)
    await installation.join(over)
    await installation.join(going)
    await installation.end(over)
    assert installation.rooms.view().conferences == (going,)


@pytest.mark.parametrize("conferences", [0, 2])
async def test_rooms_that_are_not_known_are_unavailable_and_not_empty(
    installation: Installation, conferences: int
) -> None:
    for number in range(conferences):
        await installation.join(conference(number, 0))
    assert len(installation.rooms.view().conferences) == conferences
    await installation.lose()
    with pytest.raises(Unavailable, match="node1"):
        installation.rooms.view()
