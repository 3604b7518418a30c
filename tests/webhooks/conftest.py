"""Receivers with scripted behaviour, and Postgres."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.storage.conftest import account, database, migrated, secrets, server, sub_account, tenants, url

__all__ = ["account", "database", "migrated", "secrets", "server", "sub_account", "tenants", "url"]  # fixtures

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Message:
    """A message as it was received, byte for byte."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(repr=False)
class Receiver:
    """An HTTP server that keeps each message, and answers each path by its behaviour, 200 by default."""

    messages: list[Message] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    came: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    base: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, path: str) -> str:
        return self.base + path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent")
        headers = {name: request.headers[name] for name in names}
        self.messages.append(Message(request.path, headers, await request.read()))
        self.came[request.path] += 1
        async with self._news:
            self._news.notify_all()
        behaviour = self.behaviours.get(request.path)
        return await behaviour(request) if behaviour else web.Response()

    async def until(self, done: Callable[["Receiver"], bool], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: done(self))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    async with TestServer(app, host="127.0.0.1") as served:
        made.base = str(served.make_url("")).rstrip("/")
        yield made
