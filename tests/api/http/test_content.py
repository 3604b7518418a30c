"""Operations that produce more than JSON: whole documents, and streams that end when they have to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import pytest
import structlog
from pydantic import BaseModel

from bridge.api import server
from bridge.api.http import execution
from bridge.api.http.content import Bytes, Json, Returned, Stream
from bridge.api.http.operations import Operation
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer
from bridge.api.serving import sending
from bridge.domain.errors import NotFound
from bridge.storage.postgres.database import Database
from tests.api.conftest import OPERATOR_KEY, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

PDF = "application/pdf"
EVENTS = "text/event-stream"
CSV = "text/csv"


class Word(Answer):
    word: str
    version: int = 3


class Chunks:
    """A source of chunks that the test lets out one by one, and that notes when it is closed."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        try:
            while (chunk := await self.waiting.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed.set()


class Contents:
    """Operations of all kinds of content, without a database."""

    def __init__(self) -> None:
        self.chunks = Chunks()
        self.media_type = EVENTS
        self.operations = (
            Operation("word", "GET", "/v1/word", "", self.word, Word, versioned=True),
            Operation("paper", "GET", "/v1/paper", "", self.paper, produces=(PDF,), versioned=True),
            Operation("events", "GET", "/v1/events", "", self.events, produces=(EVENTS,)),
            Operation("both", "GET", "/v1/both", "", self.both, Word, produces=("application/json", CSV)),
        )

    async def word(self, _: ApiRequest) -> Returned:
        return Json(Word(word="x"))

    async def paper(self, _: ApiRequest) -> Returned:
        return Bytes(b"%PDF-1.7", PDF, 'Rechnung "März"/2026.pdf', version=3)

    async def events(self, _: ApiRequest) -> Returned:
        return Stream(self.chunks.stream(), self.media_type)

    async def both(self, request: ApiRequest) -> Returned:
        return Word(word="x") if request.media_type != CSV else Stream(self.chunks.stream(), CSV, "words.csv")


@pytest.fixture
def contents() -> Contents:
    return Contents()


@pytest.fixture
async def serving(contents: Contents) -> AsyncIterator[Any]:
    """The API as the daemon runs it, and how to stop it. Nothing here asks Postgres."""
    world = World(Database("postgresql://nobody@127.0.0.1:1/none"))
    given = services(world, FakeFreshness(), FakeLiveRooms())
    stop = asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with server.serving(given, "127.0.0.1", 0, contents.operations) as (_, port):
            ready.set_result(port)
            await stop.wait()

    running = asyncio.create_task(serve())
    base = f"http://127.0.0.1:{await ready}"
    async with aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {OPERATOR_KEY}"}) as client:

        async def end() -> None:
            stop.set()
            await running

        yield client, end
    await end()


@pytest.fixture
def client(serving: Any) -> aiohttp.ClientSession:
    session: aiohttp.ClientSession = serving[0]
    return session


async def test_a_document_is_a_download_of_a_safe_name(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/paper") as response:
        assert (response.status, await response.read()) == (200, b"%PDF-1.7")
        headers = response.headers
    assert (headers["Content-Type"], headers["ETag"]) == (PDF, '"3"')
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Rechnung _M_rz_2026.pdf\"; filename*=UTF-8''Rechnung%20_M%C3%A4rz_2026.pdf"
    )
    async with client.get("/v1/paper", headers={"If-None-Match": '"3"'}) as response:
        assert (response.status, response.headers["ETag"], await response.read()) == (304, '"3"', b"")


async def test_json_said_aloud_is_as_a_model(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/word") as response:
        assert await response.json() == {"word": "x", "version": 3}
        assert (response.headers["ETag"], response.headers["X-Content-Type-Options"]) == ('"3"', "nosniff")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", CSV),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv", CSV),
        ("TEXT/CSV;q=0.9, */*;q=0.1", CSV),
        ("application/json, text/csv", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("image/png", "application/json"),
        ("text/csv;q=much", "application/json"),
        ("", "application/json"),
    ],
)
async def test_accept_chooses(client: aiohttp.ClientSession, contents: Contents, accept: str, media_type: str) -> None:
    contents.chunks.waiting.put_nowait(b"word\r\nx\r\n")
    contents.chunks.waiting.put_nowait(None)
    async with client.get("/v1/both", headers={"Accept": accept}) as response:
        body = await response.read()
        assert response.headers["Content-Type"].split(";")[0] == media_type
        assert response.headers["Vary"] == "Accept"
    if media_type == CSV:
        assert body == b"word\r\nx\r\n"
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="words.csv"'


async def test_chunks_arrive_as_they_are_made(client: aiohttp.ClientSession, contents: Contents) -> None:
    contents.chunks.waiting.put_nowait(b": hello\n\n")
    async with asyncio.timeout(10), client.get("/v1/events") as response:
        assert response.headers["Server"] == "bridge"
        assert await response.content.readany() == b": hello\n\n"
        contents.chunks.waiting.put_nowait(b"data: 1\n\n")
        assert await response.content.readany() == b"data: 1\n\n"
        contents.chunks.waiting.put_nowait(None)
        assert await response.content.read() == b""
    assert contents.chunks.closed.is_set()


async def test_a_stream_of_nothing_is_an_empty_body(client: aiohttp.ClientSession, contents: Contents) -> None:
    contents.chunks.waiting.put_nowait(None)
    async with client.get("/v1/events") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_the_time_limit_of_handlers_ends_with_the_first_chunk(
    client: aiohttp.ClientSession, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "HANDLER_S", 0.2)
    async with client.get("/v1/events") as response:
        assert (response.status, response.headers["Content-Type"]) == (503, "application/problem+json")
    assert contents.chunks.closed.is_set()
    contents.chunks = Chunks()
    contents.chunks.waiting.put_nowait(b"1")
    async with client.get("/v1/events") as response:
        await asyncio.sleep(0.5)
        contents.chunks.waiting.put_nowait(b"2")
        contents.chunks.waiting.put_nowait(None)
        assert await response.read() == b"12"


@pytest.mark.parametrize(("error", "status"), [(NotFound("x"), 404), (RuntimeError("x"), 500)])
async def test_an_error_before_the_first_chunk_is_a_problem(
    client: aiohttp.ClientSession, contents: Contents, error: Exception, status: int
) -> None:
    contents.chunks.waiting.put_nowait(error)
    with structlog.testing.capture_logs():
        async with client.get("/v1/events") as response:
            assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json")
            assert (await response.json())["status"] == status


async def test_an_error_after_it_ends_the_connection(client: aiohttp.ClientSession, contents: Contents) -> None:
    contents.chunks.waiting.put_nowait(b"1")
    with structlog.testing.capture_logs() as lines:
        async with client.get("/v1/events") as response:
            assert await response.content.readany() == b"1"
            contents.chunks.waiting.put_nowait(NotFound("x"))
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    assert [line["event"] for line in lines] == ["request", "stream_failed"]
    assert contents.chunks.closed.is_set()


async def test_a_stream_ends_when_its_client_goes_away(client: aiohttp.ClientSession, contents: Contents) -> None:
    contents.chunks.waiting.put_nowait(b"1")
    response = await client.get("/v1/events")
    assert await response.content.readany() == b"1"
    assert not contents.chunks.closed.is_set()
    response.close()
    async with asyncio.timeout(20):
        await contents.chunks.closed.wait()


async def test_a_stream_ends_when_its_client_does_not_read(
    client: aiohttp.ClientSession, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SENDING_S", 0.3)
    for _ in range(100):
        contents.chunks.waiting.put_nowait(b"x" * 1_000_000)
    response = await client.get("/v1/events")
    async with asyncio.timeout(10):
        await contents.chunks.closed.wait()
    response.close()


async def test_streams_leave_connections_to_others(
    client: aiohttp.ClientSession, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STREAMS_MAX", 1)
    contents.chunks.waiting.put_nowait(b"1")
    first = await client.get("/v1/events")
    assert await first.content.readany() == b"1"
    open_chunks, contents.chunks = contents.chunks, Chunks()
    contents.chunks.waiting.put_nowait(b"2")
    with structlog.testing.capture_logs() as lines:
        async with client.get("/v1/events") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert contents.chunks.closed.is_set()
    assert [line["event"] for line in lines] == ["request", "too_many_streams"]
    open_chunks.waiting.put_nowait(None)
    assert await first.content.read() == b""
    contents.chunks.waiting.put_nowait(None)
    async with client.get("/v1/events") as response:
        assert response.status == 200


async def test_a_stream_ends_when_the_server_stops(serving: Any, contents: Contents) -> None:
    client, end = serving
    contents.chunks.waiting.put_nowait(b"1")
    response = await client.get("/v1/events")
    assert await response.content.readany() == b"1"
    # Sooner than the time that aiohttp gives requests to come to their end.
    async with asyncio.timeout(server.SHUTDOWN_S - 0.5):
        await end()
    assert contents.chunks.closed.is_set()
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_what_the_table_does_not_say_is_a_defect(client: aiohttp.ClientSession, contents: Contents) -> None:
    contents.media_type = "image/png"
    contents.chunks.waiting.put_nowait(b"1")
    with structlog.testing.capture_logs() as lines:
        async with client.get("/v1/events") as response:
            assert response.status == 500
    assert [line["event"] for line in lines] == ["request_failed", "request"]


async def _change(_: ApiRequest) -> BaseModel:
    return Word(word="x")


def test_the_table_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="JSON alone"):
        Operation("x", "POST", "/v1/x", "", _change, produces=(PDF,))
    with pytest.raises(ValueError, match="one media type alone"):
        Operation("x", "GET", "/v1/x", "", _change, Word, produces=("application/json", CSV), versioned=True)
