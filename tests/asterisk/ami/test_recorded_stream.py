"""The AMI client and the live view, fed with the recorded bytes of a real Asterisk; see tests/asterisk/record.py."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bridge.asterisk.ami import client, events
from bridge.asterisk.ami.client import Ami, AmiLogin, ami_connection
from bridge.asterisk.ami.live_rooms import AmiLiveRooms
from tests.asterisk import recordings

_ACTION_ID = re.compile(rb"(?<=\r\nActionID: )[^\r\n]+")
PIECES = (1, 2, 3, 7, 61, 1448)
"""Bytes of each piece that the client receives at a time. With 1, every boundary between two bytes is cut."""


class RecordedAmi:
    """AMI on the wire, which sends a recorded stream. An answer waits for its action, and gets the action's own id."""

    def __init__(self, stream: bytes) -> None:
        greeting, _, rest = stream.partition(b"\r\n")
        self._greeting = greeting + b"\r\n"
        self._blocks = [block + b"\r\n\r\n" for block in rest.split(b"\r\n\r\n") if block]
        self.sent = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._greeting)
        ids: dict[bytes, bytes] = {}
        for block in self._blocks:
            recorded = _ACTION_ID.search(b"\r\n" + block)
            if recorded is None:
                writer.write(block)
                continue
            if recorded[0] not in ids:
                if b"Ping: Pong" in block:
                    continue  # the recorded daemon pinged; this client does not
                action = await reader.readuntil(b"\r\n\r\n")
                asked = _ACTION_ID.search(b"\r\n" + action)
                assert asked is not None
                ids[recorded[0]] = asked[0]
            writer.write(block.replace(recorded[0], ids[recorded[0]]))
        await writer.drain()
        self.sent.set()
        await reader.read()
        writer.close()


@asynccontextmanager
async def replaying(name: str) -> AsyncIterator[tuple[Ami, RecordedAmi]]:
    """A client that is connected to a recording."""
    recorded = RecordedAmi(recordings.ami_stream(name))
    server = await asyncio.start_server(recorded.serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(20), ami_connection(AmiLogin("127.0.0.1", port, "bridge", "any")) as ami:
            yield ami, recorded
    finally:
        server.close()


@pytest.fixture(params=PIECES)
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the client receive everything in pieces of so many bytes."""
    size: int = request.param

    class Cut(client.AMIProtocol):  # type: ignore[misc]  # panoramisk ships no types
        def data_received(self, data: bytes) -> None:
            for start in range(0, len(data), size):
                super().data_received(data[start : start + size])

    monkeypatch.setattr(client, "AMIProtocol", Cut)
    return size


@asynccontextmanager
async def followed(name: str, on_left: Callable[[str], None]) -> AsyncIterator[tuple[AmiLiveRooms, list[events.Event]]]:
    """The live view that follows a recording, and the events that it has taken in."""
    applied: list[events.Event] = []

    class Watched(AmiLiveRooms):
        def apply(self, event: events.Event) -> None:
            applied.append(event)
            super().apply(event)

    rooms = Watched("node1", on_left)
    async with replaying(name) as (ami, recorded):
        following = asyncio.create_task(rooms.follow(ami))
        try:
            await recorded.sent.wait()
            while not applied or not isinstance(applied[-1], events.RoomEnded):
                await asyncio.sleep(0)
            yield rooms, applied
        finally:
            following.cancel()
            await asyncio.wait([following])


async def test_a_conference_is_followed_from_the_first_join_to_its_end(piece: int) -> None:
    left: list[str] = []
    async with followed("stays", left.append) as (rooms, applied):
        assert rooms.view().conferences == ()
    joined = [one for one in applied if isinstance(one, events.ParticipantJoined)]
    assert [(one.role, one.muted, one.caller) for one in joined] == [
        ("host", False, "4930123456"),
        ("guest", False, "4930123456"),
    ]
    host, guest = joined
    assert host.room == guest.room
    assert left == [guest.uniqueid, host.uniqueid]
    changes = [one for one in applied if isinstance(one, events.ParticipantMuted)]
    assert changes == [
        events.ParticipantMuted(host.room, guest.uniqueid, True),
        events.ParticipantMuted(host.room, guest.uniqueid, False),
    ]


async def test_a_host_who_is_inside_is_found_after_a_new_connection(piece: int) -> None:
    left: list[str] = []
    async with followed("found_inside", left.append) as (_, applied):
        pass
    found = applied[0]
    assert isinstance(found, events.ParticipantJoined)
    assert (found.role, found.caller) == ("host", "4930123456")
    assert left == [found.uniqueid]


def test_each_recorded_message_has_the_headers_that_the_live_view_reads() -> None:
    read = {
        "ConfbridgeJoin": {"conference", "uniqueid", "channel", "calleridnum", "admin", "muted", "chanvariable"},
        "ConfbridgeList": {"conference", "uniqueid", "channel", "calleridnum", "admin", "muted", "answeredtime"},
        "ConfbridgeListRooms": {"conference"},
        "ConfbridgeLeave": {"conference", "uniqueid", "timestamp"},
        "ConfbridgeMute": {"conference", "uniqueid"},
        "ConfbridgeUnmute": {"conference", "uniqueid"},
        "ConfbridgeEnd": {"conference"},
    }
    streams = {name: recordings.ami_fields(recordings.ami_stream(name)) for name in ("stays", "found_inside")}
    recorded = streams["found_inside"] | streams["stays"]
    assert {kind: headers - recorded[kind] for kind, headers in read.items()} == {kind: set() for kind in read}
