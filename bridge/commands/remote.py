"""The daemon's REST, as the commands speak to it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import aiohttp

from bridge import settings
from bridge.domain.errors import BridgeError, Unavailable
from bridge.settings import ClientSettings

Done = TypeVar("Done")
TIMEOUT_S: Final = 60.0
PAGE: Final = 500
UNAVAILABLE: Final = 503


class Refused(BridgeError):
    """What the daemon answered instead of doing it."""


class Remote:
    """One session with the daemon. Every method raises Refused or Unavailable."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None, csv: bytes | None = None
    ) -> Any:
        """What the daemon answers, read; None for no content."""
        given: dict[str, Any] = {"params": query or {}}
        if csv is not None:
            given |= {"data": csv, "headers": {"Content-Type": "text/csv"}}
        elif body is not None:
            given["json"] = body
        try:
            async with self._session.request(method, f"{self._url}{path}", **given) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                f"the daemon does not answer at {self._url} ({_short(error)}): is it running, and is BRIDGE_API_URL or "
                "BRIDGE_API_ADDRESS right? `bridge doctor` tells more"
            ) from error
        if response.status < 400:
            return json.loads(text) if text else None
        told = _problem(text, response.status)
        raise Unavailable(told) if response.status == UNAVAILABLE else Refused(told)

    async def everything(self, path: str, query: Mapping[str, str]) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.ask("GET", path, {"limit": str(PAGE), **query, **cursor})
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}


def run(work: Callable[[Remote], Awaitable[Done]]) -> Done:
    """Carry out `work` against the daemon of the settings. Raises BridgeError."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[Remote], Awaitable[Done]]) -> Done:
    chosen = settings.load(ClientSettings)
    headers = {"Authorization": f"Bearer {chosen.operator_key.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        return await work(Remote(session, chosen.url))


def _problem(text: str, status: int) -> str:
    try:
        told = json.loads(text)
        if errors := told.get("errors"):
            return "\n".join(f"{each['pointer'].lstrip('/')}: {each['detail']}" for each in errors)
        return str(told["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the daemon answered {status} without saying why: is BRIDGE_API_URL that of the daemon?"


def _short(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    return str(error) or "it took too long"
