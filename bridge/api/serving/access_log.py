"""The access log: one line for each request."""

import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

log = structlog.get_logger()


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log one line for each request: the route's pattern, never the query, a key or a body."""
    began = time.monotonic()
    response = await handler(request)
    route = route_pattern(request)
    milliseconds = round(1000 * (time.monotonic() - began), 1)
    # Programs poll, so that reads that went well would drown everything else at level info.
    write = log.debug if request.method == "GET" and response.status < 400 else log.info
    write(
        "request",
        method=request.method,
        route=route,
        status=response.status,
        ms=milliseconds,
        address=request.remote,
        scheme=request.scheme,
    )
    return response


def route_pattern(request: web.Request) -> str:
    """The path with the names of its parameters in place of their values; `none` where there is no such path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
