"""Sends responses, and cuts off clients that do not read theirs."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

SENDING_S: Final = 30.0
BUSY: Final = web.AppKey("busy", set[asyncio.BaseProtocol])
"""The connections whose requests are being carried out."""


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Mark the connection as busy until its response is sent to the last byte."""
    busy = request.app[BUSY]
    busy.add(request.protocol)
    try:
        response = await handler(request)
        # The default names the versions of Python and aiohttp, which helps nobody but an attacker.
        response.headers["Server"] = "bridge"
        await _send(request, response)
    finally:
        busy.discard(request.protocol)
    return response


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    """Send all of a response. A client that does not read it within SENDING_S is cut off."""
    if request.transport is None or not isinstance(response, web.Response):
        return
    request.transport.set_write_buffer_limits(high=0)
    try:
        async with asyncio.timeout(SENDING_S):
            await response.prepare(request)
            await response.write_eof()
            await request.writer.drain()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        # The client has gone already.
        pass
