"""REST on aiohttp: routes of the operation table, with the middlewares around them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.api import table
from bridge.api.http import execution, parsing
from bridge.api.http.bulk.turns import TURNS, BulkTurns
from bridge.api.http.operations import Operation
from bridge.api.openapi import pages
from bridge.api.serving import access_log, authentication, connection_limit, problem_middleware, proxies, sending
from bridge.usecases.services import Services

__all__ = ["Services", "application", "serving"]

IDLE_S: Final = 15.0
LINGERING_S: Final = 2.0
SHUTDOWN_S: Final = 2.0


def application(services: Services, operations: Sequence[Operation] = table.OPERATIONS) -> web.Application:
    """The aiohttp application of all of REST."""
    outermost_first = [
        sending.middleware,
        proxies.middleware(services.trusted_proxies),
        access_log.middleware,
        problem_middleware.middleware,
        authentication.middleware(services.operator_key, services.api_keys, services.wrong_keys),
    ]
    app = web.Application(client_max_size=parsing.BULK_MAX, middlewares=outermost_first)
    sending.prepare(app)
    app[TURNS] = BulkTurns()
    for operation in operations:
        app.router.add_route(operation.method, operation.path, _route(operation, services))
    pages.add(app, operations)
    return app


def runner_of(app: web.Application) -> web.AppRunner:
    """The runner of an application.

    A client that takes longer than IDLE_S to send a request's head is cut off. A request goes on to its end even if
    its client has gone, so that no change is left half done.
    """
    return web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=IDLE_S,
        lingering_time=LINGERING_S,
        shutdown_timeout=SHUTDOWN_S,
    )


@asynccontextmanager
async def serving(
    services: Services, host: str, port: int, operations: Sequence[Operation] = table.OPERATIONS
) -> AsyncIterator[tuple[str, int]]:
    """Serve REST until the block ends, and yield the address. Raises OSError when it cannot listen there."""
    app = application(services, operations)
    busy = app[sending.BUSY]
    async with connection_limit.listening(runner_of(app), busy, host, port) as address:
        yield address


def _route(operation: Operation, services: Services) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = await execution.execute(operation, services, request[authentication.PRINCIPAL], request)
        return response.to_aiohttp()

    return handle
