"""REST on aiohttp: the key first, then routing, validation, the handler, and problems for all that goes wrong."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from pydantic import BaseModel, ValidationError

from bridge.api import openapi, problems
from bridge.api.handlers import OPERATIONS
from bridge.api.operations import Operation
from bridge.api.problems import FieldError, Problem
from bridge.api.services import Call, Services
from bridge.domain.errors import BridgeError

__all__ = ["Services", "application"]

log = structlog.get_logger()

BODY_MAX: Final = 64 * 1024
BODY_S: Final = 10.0
HANDLER_S: Final = 30.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(services: Services) -> web.Application:
    """The whole of REST, to be run by aiohttp."""
    app = web.Application(client_max_size=BODY_MAX, middlewares=[_observed, _told, _keyed(services.operator_key)])
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _route(operation, services))
    app.router.add_get("/healthz", _health)
    app.router.add_get("/readyz", _ready(services))
    app.router.add_get("/metrics", _metrics(services))
    app.router.add_get("/openapi.json", _document())
    return app


@web.middleware
async def _observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line a request: the route's pattern, never the query, a key or a body."""
    began = time.monotonic()
    response = await handler(request)
    resource = request.match_info.route.resource
    if resource is not None and resource.canonical not in ("/healthz", "/readyz", "/metrics"):
        milliseconds = round(1000 * (time.monotonic() - began), 1)
        # Programs poll: reading that went well is told to those who ask for it.
        tell = log.debug if request.method == "GET" and response.status < 400 else log.info
        tell("request", method=request.method, route=resource.canonical, status=response.status, ms=milliseconds)
    return response


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong becomes a problem document."""
    try:
        async with asyncio.timeout(HANDLER_S):
            return await handler(request)
    except Problem as problem:
        return problem.response()
    except BridgeError as error:
        refusal = problems.of(error)
        if refusal.status == 500:
            log.exception("request_failed", method=request.method, route=_pattern(request))
        return refusal.response()
    except web.HTTPException as error:
        response = Problem(error.status, error.reason, _HTTP.get(error.status, error.reason)).response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except TimeoutError:
        return Problem(503, "Not available now", f"there was no answer within {HANDLER_S:.0f} s; try again").response()
    except Exception:
        log.exception("request_failed", method=request.method, route=_pattern(request))
        return problems.of(BridgeError()).response()


_HTTP: Final = {
    404: "there is no such path; /openapi.json lists all",
    405: "this path does not take that method; Allow names those it takes",
    413: f"a body has at most {BODY_MAX} bytes",
}


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _keyed(operator_key: str) -> Any:
    expected = operator_key.encode()

    @web.middleware
    async def keyed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1" or request.path.startswith("/v1/"):
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            given = key.strip().encode("utf-8", "surrogateescape")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, expected):
                raise Problem(401, "Unauthorized", "send a valid key as Authorization: Bearer KEY")
        return await handler(request)

    return keyed


def _route(operation: Operation, services: Services) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        call = Call(
            services,
            _ids(request),
            await _body(request, operation.body),
            _query(request, operation.query),
        )
        answer = await operation.handler(call)
        if answer is None:
            return web.Response(status=operation.status)
        text = answer.model_dump_json(by_alias=True)
        return web.Response(status=operation.status, text=text, content_type="application/json")

    return handle


def _ids(request: web.Request) -> dict[str, UUID]:
    """Path parameters; one that is no UUID names nothing that exists."""
    try:
        return {name: UUID(text) for name, text in request.match_info.items()}
    except ValueError:
        raise Problem(404, "Not found", "there is no such thing, or it is not yours to see") from None


async def _body(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    if model is None:
        return None
    if request.content_type != "application/json":
        raise Problem(415, "Unsupported media type", "send the body as application/json")
    try:
        async with asyncio.timeout(BODY_S):
            raw = await request.read()
    except TimeoutError:
        raise Problem(408, "Request timeout", f"the body did not come within {BODY_S:.0f} s") from None
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", f"the body is no JSON: {error.msg} at character {error.pos}") from None
    return _validated(model, data, "/")


def _query(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    given = dict(request.query)
    if len(given) != len(request.query):
        raise Problem(422, "Invalid value", "a query parameter may be given once only")
    if model is None:
        if given:
            errors = [FieldError(name, "this operation has no such parameter") for name in given]
            raise Problem(422, "Invalid value", "unknown query parameters", errors)
        return None
    return _validated(model, given, "")


def _validated(model: type[BaseModel], data: Any, root: str) -> BaseModel:
    try:
        return model.model_validate_json(orjson.dumps(data)) if root else model.model_validate(data)
    except ValidationError as error:
        found = [
            FieldError(root + "/".join(str(part) for part in problem["loc"]), problem["msg"])
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise Problem(
            422, "Invalid value", "; ".join(f"{e.pointer}: {e.detail}" for e in found)[:1000], found
        ) from None


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


def _ready(services: Services) -> Handler:
    async def ready(_: web.Request) -> web.Response:
        parts = services.readiness()
        body = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in parts.items()}
        return web.json_response(body, status=200 if all(ok for ok, _ in parts.values()) else 503)

    return ready


def _metrics(services: Services) -> Handler:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(services.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return metrics


def _document() -> Handler:
    body = orjson.dumps(openapi.document(OPERATIONS, version("bridge")))

    async def document(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return document
