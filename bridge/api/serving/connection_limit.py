"""Limits the number of connections, so that clients that only hold them open leave room for others.

A client that is too slow is cut off: by aiohttp while it sends a request's head, by `parsing` while it sends a body,
and by `sending` while it reads a response.
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
async def listening(
    runner: web.AppRunner, busy: Set[asyncio.BaseProtocol], host: str, port: int
) -> AsyncIterator[tuple[str, int]]:
    """Serve until the block ends, and yield the address. `busy` are the connections with a request in progress.

    Raises OSError when it cannot listen on the address.
    """
    await runner.setup()
    assert runner.server is not None
    try:
        limit = _ConnectionLimit(runner.server, busy)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(limit.new_connection, host, port, backlog=BACKLOG)
        try:
            address = server.sockets[0].getsockname()
            yield address[0], address[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _ConnectionLimit:
    """Makes the protocol of each new connection, and room for it."""

    def __init__(self, server: web.Server, busy: Set[asyncio.BaseProtocol]) -> None:
        self._server = server
        self._busy = busy

    def new_connection(self) -> asyncio.Protocol:
        """The protocol of a new connection.

        At CONNECTIONS_MAX the oldest connection without a request is closed; if all are busy, the new one gets a 503.
        """
        connections = self._server.connections
        if len(connections) >= CONNECTIONS_MAX:
            idle = next((each for each in connections if each.transport is not None and each not in self._busy), None)
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
