"""Trunks for a test: made over REST, loaded by Asterisk, deleted afterwards."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import until

AddTrunk = Callable[..., Awaitable[dict[str, Any]]]


async def endpoints(sandbox: Sandbox) -> str:
    """What Asterisk says of all its endpoints."""
    return sandbox.asterisk.cli("pjsip show endpoints")


async def is_loaded(sandbox: Sandbox, trunk: dict[str, Any], wanted: bool = True) -> None:
    await until(lambda: endpoints(sandbox), lambda found: (f" {trunk['id']} " in found) is wanted)


@pytest.fixture
async def add_trunk(sandbox: Sandbox, api: Rest) -> AsyncIterator[AddTrunk]:
    """A function that adds a trunk and waits until Asterisk has it."""
    made: list[dict[str, Any]] = []

    async def add(**about: Any) -> dict[str, Any]:
        trunk = await api.post("/v1/trunks", {"name": f"trunk {time.monotonic_ns()}", **about})
        made.append(trunk)
        await is_loaded(sandbox, trunk)
        return trunk  # type: ignore[no-any-return]

    yield add
    there = {each["id"] for each in await api.all("/v1/trunks")}
    for trunk in made:
        if trunk["id"] in there:
            await api.delete(f"/v1/trunks/{trunk['id']}")
            await is_loaded(sandbox, trunk, wanted=False)
