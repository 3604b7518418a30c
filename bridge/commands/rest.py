"""The daemon's REST API, for the commands that need a running daemon but no database."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import aiohttp

from bridge import settings
from bridge.domain.errors import BridgeError, Unavailable
from bridge.settings import ClientSettings

Result = TypeVar("Result")
TIMEOUT_S: Final = 60.0
PAGE: Final = 500
UNAVAILABLE: Final = 503


class Refused(BridgeError):
    """The daemon refused the request; the message is the daemon's own."""


class RestClient:
    """A session with the daemon. Every method raises Refused or Unavailable."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None, csv: bytes | None = None
    ) -> Any:
        """Send one request and return the parsed JSON of its response, or None if it has no content."""
        options: dict[str, Any] = {"params": query or {}}
        if csv is not None:
            options |= {"data": csv, "headers": {"Content-Type": "text/csv"}}
        elif body is not None:
            options["json"] = body
        try:
            async with self._session.request(method, f"{self._url}{path}", **options) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                f"the daemon does not answer at {self._url} ({_reason(error)}): check that it runs and that "
                "BRIDGE_API_URL or BRIDGE_API_ADDRESS is right; `bridge doctor` says more"
            ) from error
        if response.status < 400:
            return json.loads(text) if text else None
        message = _problem(text, response.status)
        raise Unavailable(message) if response.status == UNAVAILABLE else Refused(message)

    async def list_all(self, path: str, query: Mapping[str, str]) -> list[Any]:
        """Return all items of a list, read page by page."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.request("GET", path, {"limit": str(PAGE), **query, **cursor})
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}


def run(work: Callable[[RestClient], Awaitable[Result]]) -> Result:
    """Run `work` against the daemon that the settings name. Raises BridgeError."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[RestClient], Awaitable[Result]]) -> Result:
    chosen = settings.load(ClientSettings)
    headers = {"Authorization": f"Bearer {chosen.operator_key.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        return await work(RestClient(session, chosen.url))


def _problem(text: str, status: int) -> str:
    """Return the message of an RFC 9457 problem: a line for each wrong field, or else the problem's detail."""
    try:
        problem = json.loads(text)
        if errors := problem.get("errors"):
            return "\n".join(f"{each['pointer'].lstrip('/')}: {each['detail']}" for each in errors)
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the daemon answered {status} without saying why: check that BRIDGE_API_URL is that of the daemon"


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    return str(error) or "no answer in time"
