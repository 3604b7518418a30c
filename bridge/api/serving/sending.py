"""Sends responses, and cuts off clients that do not read theirs."""

import asyncio
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.api.http.problems import Problem
from bridge.api.http.response import StreamedResponse
from bridge.api.serving.access_log import route_pattern

log = structlog.get_logger()

SENDING_S: Final = 30.0
STREAMS_MAX: Final = 100
"""Streams may last for ever, so they must leave connections to requests that do not."""
LOOK_S: Final = 0.5
"""A stream that has nothing to send notices after so long that its client has gone."""
_TOO_MANY: Final = Problem(503, "Not available now", "too many streams are open; try again later")
BUSY: Final = web.AppKey("busy", set[asyncio.BaseProtocol])
"""The connections whose requests are being carried out."""
STREAMS: Final = web.AppKey("streams", set[asyncio.BaseProtocol])
"""The connections of BUSY that carry a stream."""
STOPPING: Final = web.AppKey("stopping", asyncio.Event)
"""Set when the server stops: streams end then, since some have no end of their own."""


def prepare(app: web.Application) -> None:
    """Give an application what the middleware needs."""
    app[BUSY] = set[asyncio.BaseProtocol]()
    app[STREAMS] = set[asyncio.BaseProtocol]()
    app[STOPPING] = asyncio.Event()

    async def stop(_: web.Application) -> None:
        app[STOPPING].set()

    app.on_shutdown.append(stop)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Mark the connection as busy until its response is sent to the last byte."""
    busy = request.app[BUSY]
    busy.add(request.protocol)
    try:
        response = await handler(request)
        if isinstance(response, StreamedResponse) and len(request.app[STREAMS]) >= STREAMS_MAX:
            log.warning("too_many_streams", most=STREAMS_MAX)
            await response.rest.aclose()
            response = _TOO_MANY.response().to_aiohttp()
        # The default names the versions of Python and aiohttp, which helps nobody but an attacker.
        response.headers["Server"] = "bridge"
        match response:
            case StreamedResponse():
                await _send_stream(request, response)
            case web.Response():
                await _send(request, response)
            case _:
                # Of a kind that aiohttp sends by itself.
                pass
    finally:
        busy.discard(request.protocol)
    return response


async def _send(request: web.Request, response: web.Response) -> None:
    """Send all of a response. A client that does not read it within SENDING_S is cut off."""
    if request.transport is None:
        return
    request.transport.set_write_buffer_limits(high=0)
    try:
        async with asyncio.timeout(SENDING_S):
            await response.prepare(request)
            await response.write_eof()
            await request.writer.drain()
    except TimeoutError:
        _abort(request)
    except ConnectionError:
        # The client has gone already.
        pass


class _ClientGone(Exception):
    """The client has closed the connection."""


class _Stopping(Exception):
    """The server stops."""


async def _send_stream(request: web.Request, response: StreamedResponse) -> None:
    """Send a stream chunk by chunk, until it ends, its client goes away or the server stops.

    Unless it comes to its end, the connection is closed without the last chunk of HTTP's chunked encoding. So a client
    does not take a part for the whole.
    """
    streams = request.app[STREAMS]
    streams.add(request.protocol)
    async with aclosing(response.rest):
        try:
            async with asyncio.TaskGroup() as tasks:
                watcher = tasks.create_task(_watch(request))
                await _send_chunks(request, response)
                watcher.cancel()
        except* (_ClientGone, ConnectionError):
            pass
        except* _Stopping:
            _close(request)
        except* TimeoutError:
            _abort(request)
        except* Exception:
            # The status has been sent: all that is left is to end the connection.
            log.exception("stream_failed", method=request.method, route=route_pattern(request))
            _close(request)
        finally:
            streams.discard(request.protocol)


async def _send_chunks(request: web.Request, response: StreamedResponse) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=0)
    await response.prepare(request)
    await _write(response, response.first)
    async for chunk in response.rest:
        await _write(response, chunk)
    await response.write_eof()


async def _write(response: StreamedResponse, chunk: bytes) -> None:
    """Write one chunk. Raises TimeoutError when the client does not read it within SENDING_S."""
    if chunk:
        async with asyncio.timeout(SENDING_S):
            await response.write(chunk)


async def _watch(request: web.Request) -> None:
    """Raise _ClientGone or _Stopping as soon as either is so.

    aiohttp tells a handler of neither: a request goes on to its end even if its client has gone.
    """
    stopping = request.app[STOPPING]
    while True:
        if request.transport is None or request.transport.is_closing():
            raise _ClientGone
        try:
            async with asyncio.timeout(LOOK_S):
                await stopping.wait()
            raise _Stopping
        except TimeoutError:
            continue


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
