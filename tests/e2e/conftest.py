"""The whole product, once for all end-to-end tests: real Asterisk, real Postgres, the real daemon, real callers."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge.sandbox import company, rest, system
from bridge.sandbox.company import Company
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox

Found = TypeVar("Found")
SETTINGS = {"BRIDGE_FIRST_DIGIT_S": "3", "BRIDGE_INTER_DIGIT_S": "1.5", "BRIDGE_PATIENCE": "30"}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    system.ensure(system.for_callers(), print)
    with tempfile.TemporaryDirectory(prefix="bridge-e2e-") as folder:
        made = Sandbox(Path(folder) / "s", print, settings=SETTINGS)
        try:
            made.up()
            yield made
        finally:
            made.remove()


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Rest]:
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        yield client


@pytest.fixture
async def firm(api: Rest, request: pytest.FixtureRequest) -> Company:
    """An account of this test's own, with three sub-accounts."""
    return await company.found(api, f"{request.node.name} {time.monotonic_ns()}"[:200])


async def until(ask: Callable[[], Awaitable[Found]], met: Callable[[Found], object], seconds: float = 10.0) -> Found:
    """What `ask` answers, once it is as wanted. Fails with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await ask()
        if met(answer):
            return answer
        assert time.monotonic() < deadline, f"after {seconds} s still: {answer}"
        await asyncio.sleep(0.02)


async def closed(api: Rest, account_id: str, count: int) -> list[dict[str, Any]]:
    """The account's minute records, once `count` of them are closed and rated."""
    return await until(
        lambda: api.all("/v1/minutes", account_id=account_id),
        lambda found: sum(record["amount"] is not None for record in found) >= count,
    )


def journal(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The journal's lines that are JSON."""
    lines = []
    for line in sandbox.asterisk.journal.read_bytes().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
