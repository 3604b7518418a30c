"""The paths outside /v1, open to all: liveness, readiness, metrics and the OpenAPI document."""

from collections.abc import Sequence

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bridge import telemetry
from bridge.api.http.operations import Operation
from bridge.api.openapi import document as openapi
from bridge.usecases.services import Services


def add(app: web.Application, services: Services, operations: Sequence[Operation]) -> None:
    """Add /healthz, /readyz, /metrics and /openapi.json."""
    described = orjson.dumps(openapi.document(operations))

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        parts = services.readiness()
        body = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in parts.items()}
        return web.json_response(body, status=200 if all(ok for ok, _ in parts.values()) else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(telemetry.REGISTRY), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def document(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    for path, handler in (
        ("/healthz", health),
        ("/readyz", ready),
        ("/metrics", metrics),
        ("/openapi.json", document),
    ):
        app.router.add_get(path, handler)
