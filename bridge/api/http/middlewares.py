"""Around every request: a line in the log, problems for all that goes wrong, and the key before anything else."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bridge.api.http import problems
from bridge.api.http.problems import Problem
from bridge.domain.access import api_key
from bridge.domain.access.principal import OPERATOR, Principal
from bridge.domain.errors import BridgeError
from bridge.usecases.access.ports import ApiKeys

log = structlog.get_logger()

SENDING_S: Final = 30.0
BUSY: Final = web.AppKey("busy", set[asyncio.BaseProtocol])
"""The connections whose requests are being carried out."""
PRINCIPAL: Final = web.RequestKey("principal", Principal)
UNLOGGED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line a request: the route's pattern, never the query, a key or a body."""
    began = time.monotonic()
    busy = request.app[BUSY]
    busy.add(request.protocol)
    try:
        response = await handler(request)
        _log(request, response, began)
        await _send(request, response)
    finally:
        busy.discard(request.protocol)
    return response


def _log(request: web.Request, response: web.StreamResponse, began: float) -> None:
    # Versions are nobody's business.
    response.headers["Server"] = "bridge"
    route = _pattern(request)
    if route not in UNLOGGED:
        milliseconds = round(1000 * (time.monotonic() - began), 1)
        # Programs poll: reading that went well is told to those who ask for it.
        tell = log.debug if request.method == "GET" and response.status < 400 else log.info
        tell("request", method=request.method, route=route, status=response.status, ms=milliseconds)


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    """All of an answer, to the last byte: a client that does not read what it asked for is cut off."""
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
        # It is gone already.
        pass


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong becomes a problem document."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.answered().response()
    except BridgeError as error:
        refusal = problems.of(error)
        if refusal.status == 500:
            log.exception("request_failed", method=request.method, route=_pattern(request))
        return refusal.answered().response()
    except web.HTTPException as error:
        response = Problem(error.status, error.reason, _HTTP.get(error.status, error.reason)).answered().response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except TimeoutError:
        return Problem(503, "Not available now", "there was no answer in time; try again").answered().response()
    except Exception:
        log.exception("request_failed", method=request.method, route=_pattern(request))
        return problems.of(BridgeError()).answered().response()


_HTTP: Final = {
    404: "there is no such path; /openapi.json lists all",
    405: "this path does not take that method; Allow names those it takes",
}


def keyed(operator_key: str, api_keys: ApiKeys) -> Middleware:
    """All of /v1, what is not there included, is for who has a key. The operator's own needs no database."""
    expected = operator_key.encode()

    async def principal(given: str) -> Principal | None:
        if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected):
            return OPERATOR
        digest = api_key.digest(given)
        return None if digest is None else await api_keys.principal(digest)

    @web.middleware
    async def keyed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1" or request.path.startswith("/v1/"):
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            asking = await principal(key.strip()) if scheme.lower() == "bearer" else None
            if asking is None:
                raise Problem(401, "Unauthorized", "send a valid key as Authorization: Bearer KEY")
            request[PRINCIPAL] = asking
        return await handler(request)

    return keyed


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
