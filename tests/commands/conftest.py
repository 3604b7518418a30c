"""The command `bridge` against Postgres and against the daemon's REST, run as from a shell."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bridge import cli
from bridge.api.server import application
from bridge.storage.postgres.database import Database
from tests.api.conftest import OPERATOR_KEY, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms
from tests.storage.conftest import migrated, server, url

__all__ = ["migrated", "server", "url"]  # fixtures

PASSCODE_KEY = "5eed" * 16


@dataclass
class Outcome:
    status: int
    said: str
    complained: str


class Shell:
    """Runs commands. `__call__` wants success and gives what was said; `json` the same, read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._caught = monkeypatch, capsys

    async def run(self, *words: str) -> Outcome:
        self._patch.setattr(sys, "argv", ["bridge", *words])
        self._caught.readouterr()
        status = 0
        try:
            await asyncio.to_thread(cli.main)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        caught = self._caught.readouterr()
        return Outcome(status, caught.out, caught.err)

    async def __call__(self, *words: str) -> str:
        outcome = await self.run(*words)
        assert outcome.status == 0, outcome
        assert outcome.complained == ""
        return outcome.said

    async def json(self, *words: str) -> Any:
        return json.loads(await self(*words, "--json"))

    async def json_of(self, status: int, *words: str) -> Any:
        """Run a command that must end with this status, and return its output, read as JSON."""
        outcome = await self.run(*words, "--json")
        assert (outcome.status, outcome.complained) == (status, ""), outcome
        return json.loads(outcome.said)

    async def refused(self, *words: str) -> str:
        """The one line of a command that must fail."""
        outcome = await self.run(*words)
        assert (outcome.status, outcome.said) == (1, ""), outcome
        assert outcome.complained.count("\n") == 1
        return outcome.complained

    async def unable(self, *words: str) -> str:
        """The one line of a command that cannot be carried out now."""
        outcome = await self.run(*words)
        assert (outcome.status, outcome.said) == (3, ""), outcome
        assert outcome.complained.count("\n") == 1
        return outcome.complained


@pytest.fixture
async def bridge(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", url)
    monkeypatch.setenv("BRIDGE_PASSCODE_KEY", PASSCODE_KEY)
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(monkeypatch, capsys)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        yield database


@pytest.fixture
async def rest(database: Database, bridge: Shell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    """The shell of `bridge`, with the daemon's REST API served beside it."""
    app = application(services(World(database), FakeFreshness(), FakeLiveRooms()))
    # What the daemon logs is not what a command says.
    async with TestServer(app) as server:
        with capture_logs():
            monkeypatch.setenv("BRIDGE_API_URL", str(server.make_url("")).rstrip("/"))
            monkeypatch.setenv("BRIDGE_OPERATOR_KEY", OPERATOR_KEY)
            yield bridge
