"""Where connections come in: a bounded number, so that those who only hold them open leave room for others.

A client that takes too long over a request's head is cut off by aiohttp, over its body by the intake, and over reading
the answer by `middlewares.observed`.
"""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

log = structlog.get_logger()

CONNECTIONS_MAX: Final = 500
BACKLOG: Final = 1024
FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def opened(
    runner: web.AppRunner, busy: Set[asyncio.BaseProtocol], host: str, port: int
) -> AsyncIterator[tuple[str, int]]:
    """Serve until the block ends; at which address. `busy` are the connections whose requests are being carried out.

    Raises OSError when the address cannot be listened on.
    """
    await runner.setup()
    assert runner.server is not None
    try:
        door = _Door(runner.server, busy)
        listening = await asyncio.get_running_loop().create_server(door.enter, host, port, backlog=BACKLOG)
        try:
            address = listening.sockets[0].getsockname()
            yield address[0], address[1]
        finally:
            listening.close()
    finally:
        await runner.cleanup()


class _Door:
    def __init__(self, server: web.Server, busy: Set[asyncio.BaseProtocol]) -> None:
        self._server = server
        self._busy = busy

    def enter(self) -> asyncio.Protocol:
        """A newcomer's protocol. Where it is full, whoever has waited longest without a request makes room."""
        inside = self._server.connections
        if len(inside) >= CONNECTIONS_MAX:
            idle = next((each for each in inside if each.transport is not None and each not in self._busy), None)
            if idle is None:
                log.warning("too_many_connections", most=CONNECTIONS_MAX)
                return _Refusal()
            assert idle.transport is not None
            idle.transport.abort()
        return self._server()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(FULL)
        transport.close()
