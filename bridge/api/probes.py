"""Probes: liveness, readiness and metrics, on an address of their own, for the operator's monitoring.

They need no key, and tell what a guesser would like to know. So they are never served on the address of REST.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bridge import telemetry
from bridge.api import server
from bridge.api.serving import connection_limit, problem_middleware, sending

Readiness = Callable[[], Mapping[str, tuple[bool, str]]]
"""Returns for each part of the daemon True if it is well, and a line that says why."""


def application(readiness: Readiness) -> web.Application:
    """The aiohttp application of /healthz, /readyz and /metrics."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        parts = readiness()
        body = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in parts.items()}
        return web.json_response(body, status=200 if all(ok for ok, _ in parts.values()) else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(telemetry.REGISTRY), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    app = web.Application(middlewares=[sending.middleware, problem_middleware.middleware])
    sending.prepare(app)
    for path, handler in (("/healthz", health), ("/readyz", ready), ("/metrics", metrics)):
        app.router.add_get(path, handler)
    return app


@asynccontextmanager
async def serving(readiness: Readiness, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve the probes until the block ends, and yield the address. Raises OSError when it cannot listen there."""
    app = application(readiness)
    busy = app[sending.BUSY]
    async with connection_limit.listening(server.runner_of(app), busy, host, port) as address:
        yield address
