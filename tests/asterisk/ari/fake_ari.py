"""A fake ARI server: the websocket with requests and events, as Asterisk 22.10 speaks it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from bridge.asterisk.ari.client import AriLogin

USER, PASSWORD = "bridge", "correct-horse"


class FakeAri:
    """Answers every request with 204, unless `answers` says otherwise; `requests` holds (method, uri, query).

    `bodies` holds (uri, decoded body) of the requests that have a body.
    Events of the client's own come back to it, unless its application was `taken`; they are not among the requests.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {"applications/bridge": (200, {"channel_ids": []})}
        self.silent = self.taken = False
        self.sockets: list[web.WebSocketResponse] = []
        self.heard = asyncio.Event()
        self.echoed = asyncio.Event()
        self._keyed_at = datetime.now(UTC)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth(USER, PASSWORD):
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            frame = json.loads(message.data)
            if frame["uri"].startswith("events/user/"):
                await socket.send_json(self._answer(frame))
                if not self.taken:
                    self.echoed.set()
                    await self.event("ChannelUserevent", eventname=frame["uri"].rpartition("/")[2], userevent={})
                continue
            query = {pair["name"]: pair["value"] for pair in frame.get("query_strings", [])}
            self.requests.append((frame["method"], frame["uri"], query))
            if "message_body" in frame:
                self.bodies.append((frame["uri"], json.loads(frame["message_body"])))
            self.heard.set()
            if not self.silent:
                await socket.send_json(self._answer(frame))
        return socket

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        status, body = self.answers.get(frame["uri"], (204, None))
        return {
            "type": "RESTResponse",
            "transaction_id": frame["transaction_id"],
            "request_id": frame["request_id"],
            "status_code": status,
            "reason_phrase": "as told",
            "uri": frame["uri"],
            "message_body": json.dumps(body) if body is not None else "",
        }

    async def event(self, kind: str, **fields: Any) -> None:
        await self.sockets[-1].send_json({"type": kind, "application": "bridge", **fields})

    async def key(self, channel_id: str, digit: str) -> None:
        """Report a key, a good while after the one before."""
        self._keyed_at += timedelta(seconds=0.3)
        at = self._keyed_at.isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        await self.event("ChannelDtmfReceived", channel={"id": channel_id}, digit=digit, timestamp=at)

    async def until(self, method: str, uri: str, count: int = 1) -> dict[str, str]:
        """The query of the `count`-th such request, once it has come."""
        async with asyncio.timeout(20):
            while True:
                found = [query for asked, at, query in self.requests if (asked, at) == (method, uri)]
                if len(found) >= count:
                    return found[count - 1]
                self.heard.clear()
                await self.heard.wait()


@asynccontextmanager
async def running() -> AsyncIterator[tuple[FakeAri, AriLogin]]:
    fake = FakeAri()
    app = web.Application()
    app.router.add_get("/ari/events", fake.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield fake, AriLogin(f"http://127.0.0.1:{port}", USER, PASSWORD)
    finally:
        for socket in fake.sockets:
            await socket.close()
        await runner.cleanup()


def channel(channel_id: str, state: str = "Ring", number: str = "18005550100", tries: str = "") -> dict[str, Any]:
    """A channel as ARI describes one of ours."""
    return {
        "id": channel_id,
        "name": f"PJSIP/trunk-{channel_id}",
        "state": state,
        "caller": {"name": "", "number": "4930123456"},
        "channelvars": {"BRIDGE_NUMBER": number, "BRIDGE_TRIES": tries},
    }
