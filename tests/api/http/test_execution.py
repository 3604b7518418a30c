"""Changes over REST are complete or not made at all, made once, and refused if made to an outdated version."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
import structlog
from aiohttp.test_utils import TestClient
from pydantic import BaseModel, Field
from sqlalchemy import func, select, update

from bridge.api import server as rest
from bridge.api import table
from bridge.api.http.operations import Operation
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Request
from bridge.domain.access.principal import Owner, Scope
from bridge.domain.errors import BridgeError, Conflict, Forbidden, Invalid, InvalidRows, Stale, TooMany, Unavailable
from bridge.storage.access import audit_log
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import idempotency_keys
from tests.api.conftest import OPERATOR_KEY, Api, Served, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

Step = Callable[[ApiRequest], Awaitable[object]]
KEY = "Idempotency-Key"


class Deed(Request):
    word: Name


class Row(Request):
    word: Name
    number: int | None = Field(None, ge=0)
    room_id: UUID | None = None


class Rows(Request):
    items: list[Row] = Field(min_length=1, max_length=50_000)


class Done(Answer):
    word: str
    version: int


class Deeds:
    """A small subject of the tests: each deed writes two lines of the audit log, in two transactions, with a step
    between them and one behind."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.version = 3
        self.between: Step | None = None
        self.behind: Step | None = None
        self.rows: list[Row] = []
        self.operations = (
            Operation("do", "POST", "/v1/deeds", "", self.do, Done, 201, body=Deed, scope=Scope.SUB_ACCOUNT),
            Operation("read", "GET", "/v1/deed", "", self.read, Done, versioned=True),
            Operation("change", "PATCH", "/v1/deed", "", self.change, Done, body=Deed, versioned=True),
            Operation(
                "bulk", "POST", "/v1/deeds/bulk", "", self.bulk, Done, 201, body=Rows, bulk=True, scope=Scope.ACCOUNT
            ),
        )

    async def do(self, request: ApiRequest) -> BaseModel:
        await self._note(request.body.word)
        if self.between is not None:
            await self.between(request)
        await self._note(request.body.word)
        if self.behind is not None:
            await self.behind(request)
        return Done(word=request.body.word, version=self.version)

    async def read(self, _: ApiRequest) -> BaseModel:
        return Done(word="x", version=self.version)

    async def change(self, request: ApiRequest) -> BaseModel:
        if request.expected not in (None, self.version):
            raise Stale
        self.version += 1
        return Done(word=request.body.word, version=self.version)

    async def bulk(self, request: ApiRequest) -> BaseModel:
        if self.between is not None:
            await self.between(request)
        self.rows = request.body.items
        bad = [(at, "word", "is bad") for at, row in enumerate(self.rows) if row.word == "bad"]
        if bad:
            raise InvalidRows(bad)
        return Done(word="", version=len(self.rows))

    async def _note(self, word: str) -> None:
        async with self.database.transaction() as connection:
            await audit_log.note(connection, word, "deed", None, Owner())

    async def done(self) -> int:
        """Return the number of committed rows, as another connection sees it."""
        async with self.database.connection("tests") as connection:
            return int(await connection.fetchval("SELECT count(*) FROM audit_log WHERE subject = 'deed'"))


@pytest.fixture
def deeds(world: World) -> Deeds:
    return Deeds(world.database)


@pytest.fixture
async def own(world: World, deeds: Deeds, directory: FakeFreshness, rooms: FakeLiveRooms) -> AsyncIterator[Api]:
    """A client of an API that has deeds as well, whose answers no document describes."""
    app = rest.application(services(world, directory, rooms), (*table.OPERATIONS, *deeds.operations))
    async with TestClient(Served(app)) as client:
        yield Undescribed(client)


class Undescribed(Api):
    described = False


async def test_a_deed_is_one_transaction_known_here_after_its_commit(
    own: Api, deeds: Deeds, directory: FakeFreshness
) -> None:
    seen: list[tuple[str, int, int]] = []

    async def look(when: str) -> None:
        seen.append((when, await deeds.done(), directory.caught_up))

    async def behind(request: ApiRequest) -> None:
        await look("within")
        request.afterwards.append(lambda: look("afterwards"))

    deeds.behind = behind
    assert (await own("POST", "/v1/deeds", {"word": "x"})).status == 201
    assert seen == [("within", 0, 0), ("afterwards", 2, 1)]


@pytest.mark.parametrize("place", ["between", "behind"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("c"), 409),
        (Forbidden("f"), 403),
        (Stale(), 412),
        (TooMany("t", 17), 429),
        (Invalid("word", "w"), 422),
        (Unavailable("u"), 503),
        (BridgeError("b"), 500),
        (RuntimeError("r"), 500),
    ],
)
@pytest.mark.parametrize("key", [{}, {KEY: "k"}])
async def test_nothing_is_left_of_what_failed(
    own: Api, deeds: Deeds, directory: FakeFreshness, place: str, error: Exception, status: int, key: dict[str, str]
) -> None:
    async def fail(request: ApiRequest) -> None:
        request.afterwards.append(lambda: pytest.fail("nothing was done"))
        raise error

    setattr(deeds, place, fail)
    for _ in range(2):
        with structlog.testing.capture_logs():
            answer = await own("POST", "/v1/deeds", {"word": "x"}, headers=key)
        assert (answer.status, answer.headers.get("Retry-After")) == (status, {429: "17", 503: "2"}.get(status))
    assert answer.body["detail"]
    assert (await deeds.done(), directory.caught_up) == (0, 0)
    # What will be so again is told again, without asking; what may have passed is tried again.
    kept = key and status not in {429, 500, 503}
    assert answer.headers.get("Idempotency-Replayed") == ("true" if kept else None)
    setattr(deeds, place, None)
    assert (await own("POST", "/v1/deeds", {"word": "x"}, headers=key)).status == (status if kept else 201)


async def test_a_client_that_goes_away_leaves_no_half(own: Api, deeds: Deeds) -> None:
    reached, gone, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(_: ApiRequest) -> None:
        reached.set()
        await gone.wait()

    async def end(request: ApiRequest) -> None:
        async def tell() -> None:
            over.set()

        request.afterwards.append(tell)

    deeds.between, deeds.behind = wait, end
    server = own.client.server
    _, writer = await asyncio.open_connection(server.host, server.port)
    head = f"POST /v1/deeds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR_KEY}\r\n"
    writer.write(head.encode() + b'Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"word":"x"}')
    async with asyncio.timeout(20):
        await reached.wait()
        writer.transport.abort()
        gone.set()
        await over.wait()
    assert await deeds.done() == 2


async def test_the_same_request_is_carried_out_once(own: Api, deeds: Deeds) -> None:
    first = await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k1"})
    again = await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k1"})
    assert (first.status, first.body) == (again.status, again.body) == (201, {"word": "x", "version": 3})
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert await deeds.done() == 2
    for method, path, body in (
        ("POST", "/v1/deeds", {"word": "y"}),
        ("POST", "/v1/accounts", {"name": "x", "currency": "EUR", "time_zone": "UTC"}),
    ):
        assert (await own(method, path, body, headers={KEY: "k1"})).status == 422
    assert (await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k2"})).status == 201
    assert await deeds.done() == 4


async def test_keys_of_requests_belong_to_whoever_sent_them(own: Api, account: Any) -> None:
    made = await own.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "x"})
    for each in (own, own.with_key(made["key"])):
        answer = await each("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k"})
        assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (201, None)


async def test_two_at_once_are_carried_out_once(own: Api, deeds: Deeds) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(_: ApiRequest) -> None:
        reached.set()
        await go.wait()

    deeds.between = wait
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k"}))
        await reached.wait()
        second = await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k"})
        go.set()
    assert (first.result().status, second.status) == (201, 409)
    third = await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: "k"})
    assert (third.status, third.headers["Idempotency-Replayed"]) == (201, "true")
    assert await deeds.done() == 2


async def test_answers_are_kept_sealed_and_for_a_day(own: Api, deeds: Deeds) -> None:
    await own("POST", "/v1/deeds", {"word": "Rumpelstiltskin"}, headers={KEY: "k"})
    async with deeds.database.transaction() as connection:
        [row] = (await connection.execute(select(idempotency_keys))).all()
        assert b"Rumpel" not in row.answer
        aged = update(idempotency_keys).values(created_at=func.now() - func.make_interval(0, 0, 0, 0, 25))
        await connection.execute(aged)
    again = await own("POST", "/v1/deeds", {"word": "else"}, headers={KEY: "k"})
    assert (again.status, again.headers.get("Idempotency-Replayed")) == (201, None)
    async with deeds.database.transaction() as connection:
        await connection.execute(aged)
    await own("POST", "/v1/deeds", {"word": "else"}, headers={KEY: "other"})
    async with deeds.database.transaction() as connection:
        assert (await connection.execute(select(idempotency_keys.c.key))).scalars().all() == ["other"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "schlüssel"])
async def test_keys_of_requests_that_are_none(own: Api, key: str) -> None:
    assert (await own("POST", "/v1/deeds", {"word": "x"}, headers={KEY: key})).status == 400


async def test_a_version_is_asked_for_and_expected(own: Api, deeds: Deeds) -> None:
    read = await own("GET", "/v1/deed")
    assert (read.status, read.headers["ETag"]) == (200, '"3"')
    for known, status in (('"3"', 304), ('"2", W/"3"', 304), ("*", 304), ('"2"', 200), ("nonsense", 200)):
        answer = await own("GET", "/v1/deed", headers={"If-None-Match": known})
        assert (answer.status, answer.headers["ETag"]) == (status, '"3"')
    changed = await own("PATCH", "/v1/deed", {"word": "y"}, headers={"If-Match": '"3"'})
    assert (changed.status, changed.headers["ETag"]) == (200, '"4"')
    for stale in ('"3"', 'W/"4"', '"abc"', '"99999999999999999999"', '""', '"-1"'):
        assert (await own("PATCH", "/v1/deed", {"word": "y"}, headers={"If-Match": stale})).status == 412
    for malformed in ("4", "nonsense", '"4', '"4", "5"', ""):
        assert (await own("PATCH", "/v1/deed", {"word": "y"}, headers={"If-Match": malformed})).status == 400
    assert deeds.version == 4
    assert (await own("PATCH", "/v1/deed", {"word": "y"}, headers={"If-Match": "*"})).headers["ETag"] == '"5"'


CSV = {"Content-Type": "text/csv"}


async def test_many_rows_come_as_json_or_csv(own: Api, deeds: Deeds) -> None:
    room = "6d1c1b1e-0000-4000-8000-000000000000"
    items = [{"word": "Ada, Countess", "number": 7, "room_id": room}, {"word": "Bob"}]
    assert (await own("POST", "/v1/deeds/bulk", {"items": items})).status == 201
    as_json = deeds.rows
    file = f'\ufeffnumber,word,room_id\r\n7,"Ada, Countess",{room}\r\n,Bob,\r\n'.encode()
    assert (await own("POST", "/v1/deeds/bulk", data=file, headers=CSV)).status == 201
    assert (
        deeds.rows
        == as_json
        == [
            Row.model_validate_json(x)
            for x in (f'{{"word": "Ada, Countess", "number": 7, "room_id": "{room}"}}', '{"word": "Bob"}')
        ]
    )


async def test_bad_rows_are_named(own: Api, account: Any) -> None:
    answer = await own("POST", "/v1/deeds/bulk", {"items": [{"word": "x"}, {"word": "bad"}, {"word": "bad"}]})
    assert (answer.status, answer.body["errors"]) == (
        422,
        [{"pointer": f"/items/{row}/word", "detail": "is bad"} for row in (1, 2)],
    )
    answer = await own("POST", "/v1/deeds/bulk", data=b'word\n"x\ny"\nbad\n', headers=CSV)
    assert answer.body["errors"] == [{"pointer": "/items/1/word", "detail": "line 4: is bad"}]
    answer = await own("POST", "/v1/deeds/bulk", data=b"word,number\nx,-1\ny,many\n", headers=CSV)
    assert [error["pointer"] for error in answer.body["errors"]] == ["/items/0/number", "/items/1/number"]
    assert [error["detail"][:7] for error in answer.body["errors"]] == ["line 2:", "line 3:"]
    made = await own.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "x"})
    items = [{"word": "x"}, {"word": "x", "room_id": "6d1c1b1e-0000-4000-8000-000000000000"}]
    answer = await own.with_key(made["key"])("POST", "/v1/deeds/bulk", {"items": items})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/items/1/room_id")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", "empty"),
        (b"word;number\nx;1\n", "line 1"),
        (b"word,word\nx,y\n", "line 1"),
        (b"word\nx,y\n", "line 2"),
        (b'word\nx\n"y\n', "line 3"),
        (b"word\nx\n\xff\n", "line 3"),
        (b"word\n", "at least 1"),
        (b"word\n" + b"x" * 20_000, "line 2"),
        (b"word\n" + b"x" * 200_000, "line 2"),
        (b"word\nx\x00y", "line 2"),
    ],
)
async def test_files_that_are_none_are_refused_by_line(own: Api, file: bytes, told: str) -> None:
    answer = await own("POST", "/v1/deeds/bulk", data=file, headers=CSV)
    assert answer.status == 422
    assert told in answer.body["detail"]


async def test_large_bodies_are_for_bulk_alone(own: Api, deeds: Deeds) -> None:
    json = {"Content-Type": "application/json"}
    large = io.BytesIO(orjson.dumps({"items": [{"word": "x" * 150}] * 25_000}))
    assert (await own("POST", "/v1/deeds/bulk", data=large, headers=json)).status == 201
    assert len(deeds.rows) == 25_000
    for path, most in (("/v1/deeds/bulk", 4 << 20), ("/v1/deeds", 64 << 10)):
        answer = await own("POST", path, data=io.BytesIO(b" " * (most + 1)), headers=json)
        assert answer.status == 413
    assert (await own("POST", "/v1/deeds", data=b"word\nx", headers=CSV)).status == 415
    latin = {"Content-Type": "text/csv; charset=latin-1"}
    assert (await own("POST", "/v1/deeds/bulk", data=b"word\nx", headers=latin)).status == 415


MANY = "".join(f'{{"word": "x", "n{n}": 1}},' for n in range(100_000))


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "character 1"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"items": ' + b"[" * 100_000, 400, "nested too deeply"),
        (b'{"items": [{"word": "x"}', 400, "a comma or ] is missing"),
        (b'{"items": [{"word": "x"}]', 400, "a comma or } is missing"),
        (b'{"items": [{"word": "x"},]}', 400, "character 26"),
        (b'{"items": []} {}', 400, "something follows"),
        (b'{"items" []}', 400, "a colon is missing"),
        (b"{1: []}", 400, "the name of a field is missing"),
        (b'{"items": [{"word": NaN}]}', 400, "character 21"),
        (b'{"items": [{"word": "\\ud800"}]}', 400, "no JSON"),
        (b'{"items": [{"word": ' + b"9" * 5000 + b"}]}", 400, "no JSON"),
        (b'{"items": [{"word": "\xff"}]}', 400, "not UTF-8 (character 22)"),
        (b'{"items": [{"word": "' + b"x" * 40_000 + b'"}]}', 400, "more than 32768 characters"),
        (b'{"items": [' + b" " * 200_000 + b"]}", 400, "more than 32768 characters"),
        (b'{"items": [' + b"0" * 40_000 + b"]}", 400, "no JSON"),
        (b"7", 422, "send an object"),
        (b"{}", 422, "/items: "),
        (b'{"items": 7}', 422, "/items: send a list"),
        (b'{"items": [], "a/b": 1}', 422, "/a~1b: "),
        (b'{"items": [{"word": "x"}], "items": []}', 422, "once only"),
        (b'{"items": []}', 422, "at least 1"),
        (b'{"items": [' + b'{"word":"x"},' * 50_000 + b'{"word":"x"}]}', 422, "at most 50000"),
        (b'{"items": [7, {"word": ""}]}', 422, "/items/1/word: "),
        (f'{{"items": [{MANY}7]}}'.encode(), 422, "/items/19/n19: "),
    ],
)
async def test_json_without_items_is_refused(own: Api, body: bytes, status: int, told: str) -> None:
    json = {"Content-Type": "application/json"}
    answer = await own("POST", "/v1/deeds/bulk", data=io.BytesIO(body), headers=json)
    assert answer.status == status
    assert told in answer.body["detail"]
    assert len(answer.body.get("errors", ())) <= 20


async def test_an_account_has_one_bulk_request_at_a_time(own: Api, deeds: Deeds, account: Any) -> None:
    keys = []
    for owner in (account, await own.post("/v1/accounts", {"name": "b", "currency": "EUR", "time_zone": "UTC"})):
        for name in ("one", "two"):
            made = await own.post("/v1/api-keys", {"scope": "account", "account_id": owner["id"], "name": name})
            keys.append(own.with_key(made["key"]))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: ApiRequest) -> None:
        deeds.between = None
        begun.set()
        await go_on.wait()

    async def bulk(asking: Api, word: str = "x") -> int:
        answer = await asking("POST", "/v1/deeds/bulk", {"items": [{"word": word}]}, headers={KEY: "one key"})
        assert (answer.headers.get("Retry-After") is not None) == (answer.status == 429)
        return answer.status

    deeds.between = wait
    first = asyncio.ensure_future(bulk(keys[0]))
    await begun.wait()
    assert [await bulk(key) for key in keys[:2]] == [429, 429]
    assert [await bulk(key) for key in (keys[2], own)] == [201, 201]
    go_on.set()
    assert await first == 201
    # A request that fails gives the turn back as well. What was refused for the turn is not stored for its key.
    assert [await bulk(keys[1], "bad"), await bulk(keys[1], "bad"), await bulk(keys[0])] == [422, 422, 201]
