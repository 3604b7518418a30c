"""Fixtures of REST over real HTTP, on a real Postgres. Each response is checked against the OpenAPI document."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator, FormatChecker

from bridge.api import server as rest
from bridge.api import table
from bridge.api.openapi import document
from bridge.domain import phone
from bridge.domain.access.wrong_keys import WrongKeys
from bridge.domain.admission.guessing import Allowance
from bridge.domain.metering.records import MinuteRecord, OpenStay
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.domain.notation import rfc3339
from bridge.sandbox.postgres import Postgres
from bridge.storage import keys
from bridge.storage.access import audit_log
from bridge.storage.access.api_keys import PostgresApiKeys
from bridge.storage.access.audit_log import PostgresAuditLog
from bridge.storage.access.idempotency import PostgresIdempotencyStore
from bridge.storage.access.ownership import PostgresOwnership
from bridge.storage.admission.attempts import PostgresRefusedEntries
from bridge.storage.admission.blocks import AuditedBlocks
from bridge.storage.billing.billed_stays import PostgresBilledStays
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.metering.ports import Position
from bridge.usecases.services import Services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms
from tests.api.fake_participant_control import FakeParticipantControl
from tests.storage.conftest import fresh, migrated, server, url

__all__ = ["migrated", "rfc3339", "server", "url"]  # fixtures, and what tests want

OPERATOR_KEY = "operator-key-of-the-tests-2Jt_sWZgQhRfLuNe4y"
KEYS = keys.derive("5eed" * 16)
NOBODY = "6d1c1b1e-0000-4000-8000-000000000000"
DOCUMENT = document.document(table.OPERATIONS)
FORMATS = FormatChecker(("uuid",))


@FORMATS.checks("date-time")
def _is_microseconds_in_utc(text: object) -> bool:
    return not isinstance(text, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text))


class World:
    """A database, and a way to let people join and leave."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tenants = PostgresTenants(database)
        self._ledger, self._kept = PostgresLedger(database), 0

    async def keep(self, change: OpenStay | MinuteRecord) -> None:
        before = Position("f", self._kept) if self._kept else None
        self._kept += 1
        await self._ledger.commit("node1", before, Position("f", self._kept), SwitchState("node1-0.0"), [change])


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


class Api:
    """A client with a key, the operator's at first. Whatever is answered that the document does not tell fails."""

    described = True

    def __init__(self, client: TestClient[web.Request, web.Application], key: str = OPERATOR_KEY) -> None:
        self.client = client
        self.key = key

    def with_key(self, key: str) -> "Api":
        """Return a client like this one, with another API key."""
        return type(self)(self.client, key)

    async def __call__(self, method: str, path: str, body: Any = None, **given: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}", **given.pop("headers", {})}
        if body is not None:
            given["json"] = body
        async with self.client.request(method, path, headers=headers, **given) as response:
            text = await response.text()
            answer = Answer(response.status, None, response.headers)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            if text:
                match response.headers["Content-Type"].split(";")[0]:
                    case "application/json" | "application/problem+json":
                        answer.body = await response.json(content_type=None)
                    case "text/csv":
                        answer.body = text
                    case other:
                        pytest.fail(f"an answer of type {other}")
        if self.described:
            check(method, path, answer)
        return answer

    async def get(self, path: str, **query: object) -> Any:
        """Send a GET that must succeed, and return the body of the response."""
        answer = await self("GET", path, params={name: str(value) for name, value in query.items()})
        assert answer.status == 200, answer
        return answer.body

    async def post(self, path: str, body: Any) -> Any:
        """Send a POST that must succeed, and return the body of the response."""
        answer = await self("POST", path, body)
        assert answer.status == 201, answer
        return answer.body

    async def all(self, path: str, limit: int = 2, **query: object) -> list[Any]:
        """Every item of a list, in small pages."""
        items, cursor = [], {}
        while True:
            page = await self.get(path, limit=limit, **query, **cursor)
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    async def refused(self, status: int, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """The problem that a request must end in."""
        answer = await self(method, path, body, **given)
        assert answer.status == status, answer
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body["status"] == status
        return answer.body


def check(method: str, path: str, answer: Answer) -> None:
    """Hold an answer against the document."""
    described = _described(method, path.partition("?")[0])
    if answer.status >= 400:
        schema = {"$ref": "#/components/schemas/Problem"}
        assert described is None or str(answer.status) in described["responses"]
    else:
        assert described is not None
        contents = described["responses"][str(answer.status)].get("content")
        if contents is None:
            assert answer.body is None
            return
        schema = contents[answer.headers["Content-Type"].split(";")[0]]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FORMATS).validate(answer.body)


def _described(method: str, path: str) -> Any:
    for template, methods in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            return methods.get(method.lower())
    return None


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    """A new database."""
    async with Database(url) as database:
        yield World(database)


@pytest.fixture
def directory() -> FakeFreshness:
    return FakeFreshness()


@pytest.fixture
def rooms() -> FakeLiveRooms:
    return FakeLiveRooms()


class Lockout:
    """Nobody has guessed yet."""

    def __init__(self) -> None:
        self.guard = Guard("node1", Allowance(), lambda _: frozenset())


@pytest.fixture
def lockout() -> Lockout:
    return Lockout()


def services(world: World, directory: FakeFreshness, rooms: FakeLiveRooms, **others: Any) -> Services:
    """All that the API is given; `others` in the place of some."""
    database = world.database
    given: dict[str, Any] = {
        "tenants": world.tenants,
        "tariffs": PostgresTariffs(database),
        "minutes": PostgresMinutes(database),
        "billed_stays": PostgresBilledStays(database),
        "keys": KEYS,
        "freshness": directory,
        "rooms": rooms,
        "participants": FakeParticipantControl(),
        "attempts": PostgresRefusedEntries(database),
        "blocks": AuditedBlocks(Lockout().guard, database),
        "api_keys": PostgresApiKeys(database),
        "ownership": PostgresOwnership(database),
        "idempotency": PostgresIdempotencyStore(database, KEYS),
        "audit_log": PostgresAuditLog(database),
        "webhooks": PostgresWebhooks(database),
        "private_webhooks": False,
        "unit_of_work": database.unit_of_work,
        "acting": lambda principal, remote: audit_log.acting(audit_log.Actor(principal, remote)),
        "operator_key": OPERATOR_KEY,
        # All tests send from one address.
        "wrong_keys": WrongKeys(burst=1_000_000),
        "trusted_proxies": (),
        "caller_numbers": phone.EVERYWHERE,
    }
    return Services(**{**given, **others})


class Served(TestServer):
    """Served as the daemon does it, where a client that goes away ends nothing that it began."""

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return rest.runner_of(self.app)


@pytest.fixture
async def api(world: World, directory: FakeFreshness, rooms: FakeLiveRooms, lockout: Lockout) -> AsyncIterator[Api]:
    given = services(world, directory, rooms, blocks=AuditedBlocks(lockout.guard, world.database))
    async with TestClient(Served(rest.application(given))) as client:
        yield Api(client)


@pytest.fixture(scope="module")
async def refusing(migrated: Postgres) -> AsyncIterator[Api]:
    """One API for all tests of a module that are refused, and leave nothing."""
    async with Database(await fresh(migrated)) as database:
        served = services(World(database), FakeFreshness(), FakeLiveRooms())
        async with TestClient(Served(rest.application(served))) as client:
            yield Api(client)


@pytest.fixture
async def account(api: Api) -> Any:
    return await api.post("/v1/accounts", {"name": "Hale & Partner", "currency": "EUR", "time_zone": "Europe/Berlin"})


@pytest.fixture
async def sub_account(api: Api, account: Any) -> Any:
    return await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "1001", "name": "Ada Hale"})
