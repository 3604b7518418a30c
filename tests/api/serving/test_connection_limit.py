"""The connection limit: slow, half-open or many clients delay no other client."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel

from bridge.api import server as rest
from bridge.api import table
from bridge.api.http import parsing
from bridge.api.http.operations import Operation
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer
from bridge.api.serving import connection_limit, sending
from tests.api.conftest import OPERATOR_KEY, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

HEAD = f"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR_KEY}\r\n".encode()
PATIENCE_S = 20.0
"""These tests say that nobody is held up for ever; how long a busy machine takes is no matter."""
PAGE = b"GET /docs/page.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def listening(
    world: World, directory: FakeFreshness, rooms: FakeLiveRooms, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    """The port of the API as the daemon runs it, with short patience."""
    for module, name, seconds in (
        (rest, "IDLE_S", 2.0),
        (rest, "LINGERING_S", 0.1),
        (parsing, "BODY_S", 0.3),
        (sending, "SENDING_S", 0.3),
    ):
        monkeypatch.setattr(module, name, seconds)
    async with rest.serving(services(world, directory, rooms), "127.0.0.1", 0) as (_, port):
        yield port


async def served(port: int) -> bytes:
    """Send a request as a well-behaved client does, and return the response."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PAGE)
        answer = await reader.read()
        writer.close()
    return answer


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /v1/acc", b""),
        (HEAD, b""),
        (HEAD + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{", b"HTTP/1.1 408"),
        (HEAD + b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{", b"HTTP/1.1 413"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40, b"HTTP/1."),
    ],
)
async def test_clients_that_stop_half_way_are_cut_off_and_hold_nobody_up(
    listening: int, sent: bytes, answer: bytes
) -> None:
    stuck = [await asyncio.open_connection("127.0.0.1", listening) for _ in range(20)]
    for _, writer in stuck:
        writer.write(sent)
    assert (await served(listening)).startswith(b"HTTP/1.1 200")
    for reader, writer in stuck:
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.read()).startswith(answer)
        writer.close()


async def trickle(port: int, head: bytes) -> float:
    """Send a head a byte at a time, without end, and tell how long that was suffered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    cut = asyncio.ensure_future(reader.read())
    try:
        for byte in head + b"X-Padding: " + b"x" * 10_000:
            if cut.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait([cut], timeout=0.05)
    finally:
        writer.close()
        await asyncio.gather(cut, return_exceptions=True)
    return time.monotonic() - began


@pytest.mark.parametrize("most", [500, 50])
async def test_two_hundred_who_trickle_hold_nobody_up(
    listening: int, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(connection_limit, "CONNECTIONS_MAX", most)
    async with asyncio.timeout(3 * PATIENCE_S), asyncio.TaskGroup() as tasks:
        slow = [tasks.create_task(trickle(listening, HEAD)) for _ in range(200)]
        for _ in range(5):
            assert (await served(listening)).startswith(b"HTTP/1.1 200")
    assert all(task.result() < 2 * PATIENCE_S for task in slow)


class Large(Answer):
    text: str


@asynccontextmanager
async def serving(world: World, handler: Any) -> AsyncIterator[tuple[int, web.Server]]:
    """The port of an API with one more operation, `GET /v1/one`, and its server."""
    more = (*table.OPERATIONS, Operation("one", "GET", "/v1/one", "", handler, Large))
    app = rest.application(services(world, FakeFreshness(), FakeLiveRooms()), more)
    runner = rest.runner_of(app)
    async with connection_limit.listening(runner, app[sending.BUSY], "127.0.0.1", 0) as (_, port):
        assert runner.server is not None
        yield port, runner.server


MUCH = 32 << 20
ONE = HEAD.replace(b"POST /v1/accounts", b"GET /v1/one") + b"\r\n"


async def test_where_all_are_busy_newcomers_are_told_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limit, "CONNECTIONS_MAX", 10)
    entered, go = asyncio.Semaphore(0), asyncio.Event()

    async def wait(_: ApiRequest) -> BaseModel:
        entered.release()
        await go.wait()
        return Large(text="")

    async with serving(world, wait) as (port, _):
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        async with asyncio.timeout(PATIENCE_S):
            for _, writer in inside:
                writer.write(ONE)
                await entered.acquire()
        assert (await served(port)).startswith(b"HTTP/1.1 503")
        go.set()
        for reader, writer in inside:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
        assert (await served(port)).startswith(b"HTTP/1.1 200")


async def test_who_does_not_read_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SENDING_S", 0.3)

    began = asyncio.Event()

    async def much(_: ApiRequest) -> BaseModel:
        began.set()
        return Large(text="x" * MUCH)

    async with serving(world, much) as (port, server):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, ONE)
            async with asyncio.timeout(PATIENCE_S):
                await began.wait()
                while server.connections:
                    await asyncio.sleep(0.02)
            read = 0
            while part := await loop.sock_recv(client, 1 << 20):
                read += len(part)
            assert 0 < read < MUCH
