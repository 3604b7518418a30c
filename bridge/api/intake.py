"""What a request brings, taken apart and validated against the operation table. Whatever does not fit is a Problem."""

import asyncio
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bridge.api.problems import FieldError, Problem

BODY_MAX: Final = 64 * 1024
BODY_S: Final = 10.0
ERRORS_MAX: Final = 20


def ids(request: web.Request) -> dict[str, UUID]:
    """Path parameters; one that is no UUID names nothing that exists."""
    try:
        return {name: UUID(text) for name, text in request.match_info.items()}
    except ValueError:
        raise Problem(404, "Not found", "there is no such thing, or it is not yours to see") from None


async def body(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    """The body as `model`, None when the operation takes none."""
    if model is None:
        return None
    if request.content_type != "application/json":
        raise Problem(415, "Unsupported media type", "send the body as application/json")
    raw = await _raw(request)
    try:
        # The strictest reader first: no NaN, no lone surrogate, UTF-8 only.
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", f"the body is no JSON: {error.msg} at character {error.pos}") from None
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _problem(error, in_query=False) from None


def query(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    """The query as `model`, None when the operation takes none."""
    given = dict(request.query)
    if len(given) != len(request.query):
        raise Problem(422, "Invalid value", "a query parameter may be given once only")
    try:
        return (model or _Nothing).model_validate(given)
    except ValidationError as error:
        raise _problem(error, in_query=True) from None


class _Nothing(BaseModel, extra="forbid"):
    """The query of an operation that takes none."""


async def _raw(request: web.Request) -> bytes:
    if (request.content_length or 0) > BODY_MAX:
        raise web.HTTPRequestEntityTooLarge(BODY_MAX)
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise Problem(408, "Request timeout", f"the body did not come within {BODY_S:.0f} s") from None
    except web.RequestPayloadError:
        raise Problem(400, "Bad request", "the body does not arrive as its headers say") from None


def _problem(error: ValidationError, in_query: bool) -> Problem:
    found: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, "Bad request", "the body is no JSON that can be read here")
    named = [FieldError(_pointer(each["loc"], in_query), _said(each["msg"])) for each in found[:ERRORS_MAX]]
    return Problem(422, "Invalid value", "; ".join(f"{each.pointer}: {each.detail}" for each in named), named)


def _pointer(loc: tuple[int | str, ...], in_query: bool) -> str:
    """RFC 6901 into a body; in a query the name alone."""
    if in_query:
        return str(loc[0])[:100]
    return "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in loc)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
