"""The wire of the harness: what it passes on, holds back and breaks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.sandbox.host import ports
from tests.faults.link import Link, open_link

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def wire() -> AsyncIterator[tuple[Link, int]]:
    """A link to a server that says everything again, and the port that it listens on."""
    with ports.claim(2) as claim:
        server = await asyncio.start_server(_echo, "127.0.0.1", claim.first)
        async with open_link(claim.first + 1, f"127.0.0.1:{claim.first}") as link:
            yield link, claim.first + 1
        server.close()


async def _ends(port: int) -> Ends:
    return await asyncio.open_connection("127.0.0.1", port)


async def test_what_is_said_is_passed_on_both_ways(wire: tuple[Link, int]) -> None:
    reader, writer = await _ends(wire[1])
    writer.write(b"hello")
    assert await asyncio.wait_for(reader.readexactly(5), 5) == b"hello"
    writer.close()


async def test_a_cut_breaks_connections_old_and_new_until_it_is_mended(wire: tuple[Link, int]) -> None:
    link, port = wire
    old, writer = await _ends(port)
    writer.write(b"x")
    await asyncio.wait_for(old.readexactly(1), 5)
    link.cut()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(old.readexactly(1), 5)
    new, another = await _ends(port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(new.readexactly(1), 5)
    link.mend()
    mended, third = await _ends(port)
    third.write(b"y")
    assert await asyncio.wait_for(mended.readexactly(1), 5) == b"y"
    for each in (writer, another, third):
        each.close()


async def test_what_is_said_into_a_silence_comes_when_it_ends(wire: tuple[Link, int]) -> None:
    link, port = wire
    reader, writer = await _ends(port)
    link.silence()
    writer.write(b"later")
    waiting = asyncio.create_task(reader.readexactly(5))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    link.mend()
    assert await asyncio.wait_for(waiting, 20) == b"later"
    writer.close()
