"""REST on aiohttp: the key first, then routing, validation, the handler, and problems for all that goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from bridge.api import probes, table
from bridge.api.http import connection_limit, execution, middlewares
from bridge.api.http import request as intake
from bridge.api.http.middlewares import Handler
from bridge.api.http.operations import Operation
from bridge.api.openapi import pages
from bridge.usecases.services import Services

__all__ = ["Services", "application", "serving"]

IDLE_S: Final = 15.0
LINGERING_S: Final = 2.0
SHUTDOWN_S: Final = 2.0


def application(services: Services, operations: Sequence[Operation] = table.OPERATIONS) -> web.Application:
    """The whole of REST, to be run by aiohttp."""
    around = [middlewares.observed, middlewares.told, middlewares.keyed(services.operator_key, services.api_keys)]
    app = web.Application(client_max_size=intake.BULK_MAX, middlewares=around)
    app[middlewares.BUSY] = set[asyncio.BaseProtocol]()
    for operation in operations:
        app.router.add_route(operation.method, operation.path, _route(operation, services))
    probes.add(app, services, operations)
    pages.add(app)
    return app


def runner_of(app: web.Application) -> web.AppRunner:
    """How an application is run. A client that takes longer than IDLE_S to send a request's head is cut off; one that
    goes away ends nothing that it began."""
    return web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=IDLE_S,
        lingering_time=LINGERING_S,
        shutdown_timeout=SHUTDOWN_S,
    )


@asynccontextmanager
async def serving(services: Services, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve all of REST until the block ends; at which address. Raises OSError when that cannot be listened on."""
    app = application(services)
    busy = app[middlewares.BUSY]
    async with connection_limit.opened(runner_of(app), busy, host, port) as address:
        yield address


def _route(operation: Operation, services: Services) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answered = await execution.execute(operation, services, request[middlewares.PRINCIPAL], request)
        return answered.response()

    return handle
