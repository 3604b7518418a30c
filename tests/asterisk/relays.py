"""Relays between the daemon and its Asterisk, which keep whatever Asterisk sends over ARI and AMI."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from aiohttp import web

from bridge.sandbox.host import ports
from bridge.sandbox.stack import Sandbox

LARGEST_FRAME = 16 * 1024 * 1024


class AriRelay:
    """Passes the event websocket on, both ways. `frames` are the texts that Asterisk sent, over all connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.frames: list[str] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection of the daemon until either side closes it."""
        headers = {"Authorization": request.headers["Authorization"]}
        async with aiohttp.ClientSession(headers=headers) as session:
            try:
                asterisk = await session.ws_connect(
                    f"{self._url}/ari/events", params=request.query, max_msg_size=LARGEST_FRAME
                )
            except aiohttp.WSServerHandshakeError as error:
                return web.Response(status=error.status)
            daemon = web.WebSocketResponse(max_msg_size=LARGEST_FRAME)
            await daemon.prepare(request)
            sending = asyncio.create_task(self._send(daemon, asterisk))
            try:
                async for message in asterisk:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self.frames.append(message.data)
                        await daemon.send_str(message.data)
            except ConnectionError:
                pass
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                await asterisk.close()
        return daemon

    async def _send(self, daemon: web.WebSocketResponse, asterisk: aiohttp.ClientWebSocketResponse) -> None:
        async for message in daemon:
            if message.type is aiohttp.WSMsgType.TEXT:
                await asterisk.send_str(message.data)
        await asterisk.close()


class AmiRelay:
    """Passes AMI on, both ways. `streams` are the bytes that Asterisk sent, one stream for each connection.

    The password goes the other way: it is in no stream.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []
        self.streams: list[bytearray] = []

    @property
    def received(self) -> bytes:
        """The stream of the latest connection."""
        return bytes(self.streams[-1]) if self.streams else b""

    def cut(self) -> None:
        """Break all connections. The daemon makes a new one."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the daemon until either side closes it."""
        host, port = self._address.rsplit(":", 1)
        from_asterisk, to_asterisk = await asyncio.open_connection(host, int(port))
        self._writers += [writer, to_asterisk]
        stream = bytearray()
        self.streams.append(stream)
        sending = asyncio.create_task(_pass_on(reader, to_asterisk))
        try:
            await _pass_on(from_asterisk, writer, stream)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            writer.close()
            to_asterisk.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, keep: bytearray | None = None) -> None:
    try:
        while data := await source.read(65536):
            if keep is not None:
                keep += data
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    target.close()


@asynccontextmanager
async def between(sandbox: Sandbox) -> AsyncIterator[tuple[AriRelay, AmiRelay]]:
    """A sandbox that is up, whose daemon reaches Asterisk through relays for the length of a block."""
    ari, ami = AriRelay(sandbox.environment["BRIDGE_ARI_URL"]), AmiRelay(sandbox.environment["BRIDGE_AMI_ADDRESS"])
    usual = sandbox.daemon_settings
    async with AsyncExitStack() as stack:
        claim = stack.enter_context(ports.claim(2))
        app = web.Application()
        app.router.add_get("/ari/events", ari.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", claim.first).start()
        server = await asyncio.start_server(ami.serve, "127.0.0.1", claim.first + 1)
        stack.callback(server.close)
        addresses = {
            "BRIDGE_ARI_URL": f"http://127.0.0.1:{claim.first}",
            "BRIDGE_AMI_ADDRESS": f"127.0.0.1:{claim.first + 1}",
        }
        try:
            await _restart(sandbox, {**usual, **addresses})
            yield ari, ami
        finally:
            await _restart(sandbox, usual)
            ami.cut()


async def _restart(sandbox: Sandbox, settings: dict[str, str]) -> None:
    await asyncio.to_thread(sandbox.stop, "daemon")
    sandbox.daemon_settings = settings
    await asyncio.to_thread(sandbox.up)
