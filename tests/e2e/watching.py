"""Waits for events of the product, and reads its journal and records."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox

Found = TypeVar("Found")


async def until(ask: Callable[[], Awaitable[Found]], met: Callable[[Found], object], seconds: float = 20.0) -> Found:
    """Call `ask` until `met` is true of its result, and return that. Fails with the last result after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await ask()
        if met(answer):
            return answer
        assert time.monotonic() < deadline, f"after {seconds} s still: {answer}"
        await asyncio.sleep(0.02)


async def closed(api: Rest, account_id: str, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
    """The account's minute records, once `count` of them are closed and rated."""
    return await until(
        lambda: api.all("/v1/minutes", account_id=account_id),
        lambda found: sum(record["amount"] is not None for record in found) >= count,
        seconds,
    )


async def journaled(sandbox: Sandbox, event: str, call_id: str, seconds: float = 20.0) -> dict[str, Any]:
    """The one line of an event of a call (by its SIP Call-ID). Asterisk may write it a little after the event."""

    async def found() -> list[dict[str, Any]]:
        return [line for line in journal(sandbox) if line["eventtype"] == event and call_id in line["appdata"]]

    [line] = await until(found, bool, seconds)
    return line


def journal(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The journal's lines that are JSON."""
    lines = []
    for line in sandbox.asterisk.journal.read_bytes().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
