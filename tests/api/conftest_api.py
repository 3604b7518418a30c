"""REST over real Postgres, with each answer checked against the OpenAPI document."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from bridge.api import server
from bridge.sandbox import postgres
from bridge.storage import keys, migration
from bridge.storage.database import Database
from bridge.storage.minutes import PostgresMinutes
from bridge.storage.tenants import PostgresTenants
from bridge.usecases.ports import LiveConference

KEY = "operator-key-of-the-tests"


@dataclass
class FakeDirectory:
    caught_up: int = 0

    async def catch_up(self) -> None:
        self.caught_up += 1


@dataclass
class FakeRooms:
    conferences: list[LiveConference] = field(default_factory=list)

    def live(self) -> Sequence[LiveConference]:
        return self.conferences


@pytest.fixture(scope="session")
async def database_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    server_ = postgres.at(Path(tmp_path_factory.mktemp("api")))
    server_.start()
    try:
        await migration.migrate(server_.url)
        yield server_.url
    finally:
        server_.remove()


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as made:
        yield made


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


@pytest.fixture
def rooms() -> FakeRooms:
    return FakeRooms()


@pytest.fixture
def health() -> dict[str, tuple[bool, str]]:
    return {"ari": (True, "connected")}


@pytest.fixture
async def client(
    database: Database, directory: FakeDirectory, rooms: FakeRooms, health: dict[str, tuple[bool, str]]
) -> AsyncIterator["Client"]:
    services = server.Services(
        tenants=PostgresTenants(database),
        minutes=PostgresMinutes(database),
        keys=keys.derive("ab" * 32),
        freshness=directory,
        rooms=rooms,
        operator_key=KEY,
        readiness=lambda: health,
        registry=CollectorRegistry(),
    )
    async with TestClient(TestServer(server.application(services))) as http:
        document = await (await http.get("/openapi.json")).json()
        yield Client(http, document)


class Client:
    """Asks as the operator would; every answer must be one that the document promises."""

    def __init__(self, http: "TestClient[Any, Any]", document: dict[str, Any]) -> None:
        self.http, self.document = http, document

    async def ask(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEY}", **options.pop("headers", {})}
        sent = {"json": body} if body is not None else {}
        async with self.http.request(method, path, headers=headers, **sent, **options) as response:
            text = await response.text()
            assert response.status == status, text
            self._check(method, path.partition("?")[0], response.status, response.content_type, text)
            return json.loads(text) if text else None

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.ask("GET", path, status, **options)

    async def post(self, path: str, body: Any, status: int = 201, **options: Any) -> Any:
        return await self.ask("POST", path, status, body, **options)

    def _check(self, method: str, path: str, status: int, content_type: str, text: str) -> None:
        operation = next(
            (methods[method.lower()] for template, methods in self._matching(path) if method.lower() in methods), None
        )
        if operation is None:
            assert status in (401, 404, 405)
            return
        assert str(status) in operation["responses"], f"{method} {path} must not answer {status}"
        content = operation["responses"][str(status)].get("content")
        if content is None:
            assert text == ""
            return
        schema = {**content[content_type]["schema"], "components": self.document["components"]}
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(json.loads(text))

    def _matching(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        parts = path.split("/")
        for template, methods in self.document["paths"].items():
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(
                want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=True)
            ):
                yield template, methods
