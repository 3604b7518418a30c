"""The whole product, once for all end-to-end tests: real Asterisk, real Postgres, the real daemon, real callers."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.sandbox import company, rest
from bridge.sandbox.company import Company
from bridge.sandbox.host import system
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox

SETTINGS = {
    "BRIDGE_FIRST_DIGIT_S": "3",
    "BRIDGE_INTER_DIGIT_S": "1.5",
    "BRIDGE_PATIENCE": "15",
    "BRIDGE_WEBHOOK_PRIVATE": "true",
    "BRIDGE_RTP_TIMEOUT_HOLD": "62",
}


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
    return await company.create(api, f"{request.node.name} {time.monotonic_ns()}"[:200])
