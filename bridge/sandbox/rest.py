"""A client of the product's REST API, as an operator's program would have one."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from bridge.sandbox.errors import SandboxError


class Rest:
    """A client with the operator's key. If a request fails, raises SandboxError with the daemon's response."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **query: str) -> Any:
        return await self._request("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._request("POST", path, body=body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._request("PATCH", path, body=body)

    async def delete(self, path: str) -> Any:
        return await self._request("DELETE", path)

    async def all(self, path: str, **query: str) -> list[Any]:
        """Return all items of a list, which it reads page by page."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, **query, **cursor)
            items += page["items"]
            if not page["next_cursor"]:
                return items
            cursor = {"cursor": page["next_cursor"]}

    async def _request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            async with self._session.request(method, path, params=query, json=body) as response:
                if response.status >= 400:
                    raise SandboxError(
                        f"{method} {path} was refused with {response.status}: {(await response.text())[:500]}"
                    )
                return await response.json() if response.status != 204 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SandboxError(f"The daemon did not respond to {method} {path}: {error!r}") from error


@contextlib.asynccontextmanager
async def client(api_url: str, operator_key: str) -> AsyncIterator[Rest]:
    """Open a client of the daemon at `api_url`, for the length of the block."""
    headers = {"Authorization": f"Bearer {operator_key}"}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(api_url, headers=headers, timeout=timeout, trust_env=False) as session:
        yield Rest(session)
