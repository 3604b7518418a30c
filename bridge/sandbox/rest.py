"""The product's own REST, as a program of an operator would use it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from bridge.sandbox.errors import SandboxError


class Rest:
    """A client with the operator's key. Anything but success is a SandboxError that tells what the daemon said."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **query: str) -> Any:
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._ask("POST", path, body=body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._ask("PATCH", path, body=body)

    async def delete(self, path: str) -> Any:
        return await self._ask("DELETE", path)

    async def all(self, path: str, **query: str) -> list[Any]:
        """Every item of a list, page by page."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, **query, **cursor)
            items += page["items"]
            if not page["next_cursor"]:
                return items
            cursor = {"cursor": page["next_cursor"]}

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            async with self._session.request(method, path, params=query, json=body) as answer:
                if answer.status >= 400:
                    raise SandboxError(f"{method} {path} answered {answer.status}: {(await answer.text())[:500]}")
                return await answer.json() if answer.status != 204 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SandboxError(f"The daemon did not answer {method} {path}: {error!r}") from error


@contextlib.asynccontextmanager
async def client(api_url: str, operator_key: str) -> AsyncIterator[Rest]:
    """A client of the daemon at `api_url`."""
    headers = {"Authorization": f"Bearer {operator_key}"}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(api_url, headers=headers, timeout=timeout, trust_env=False) as session:
        yield Rest(session)
