"""REST on aiohttp: the key first, then routing, validation, the handler, and problems for all that goes wrong."""

from typing import Final

from aiohttp import web

from bridge.api import execution, intake, middlewares, probes, table
from bridge.api.middlewares import Handler
from bridge.api.operations import Operation
from bridge.api.services import Services

__all__ = ["Services", "application", "runner"]

IDLE_S: Final = 15.0
SHUTDOWN_S: Final = 2.0


def application(services: Services) -> web.Application:
    """The whole of REST, to be run by aiohttp."""
    around = [middlewares.observed, middlewares.told, middlewares.keyed(services.operator_key, services.api_keys)]
    app = web.Application(client_max_size=intake.BULK_MAX, middlewares=around)
    for operation in table.OPERATIONS:
        app.router.add_route(operation.method, operation.path, _route(operation, services))
    probes.add(app, services)
    return app


def runner(services: Services) -> web.AppRunner:
    """The same with its time-outs. A client that takes longer than IDLE_S to send a request's head is cut off."""
    return web.AppRunner(application(services), access_log=None, keepalive_timeout=IDLE_S, shutdown_timeout=SHUTDOWN_S)


def _route(operation: Operation, services: Services) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answered = await execution.execute(operation, services, request[middlewares.PRINCIPAL], request)
        return answered.response()

    return handle
