"""Parses requests and validates them against the operation table. What does not fit raises a Problem."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bridge.api.http import invalid_values
from bridge.api.http.media_types import CSV, JSON
from bridge.api.http.operations import Operation
from bridge.api.http.problems import NOT_THERE, Problem

BODY_MAX: Final = 64 * 1024
BULK_MAX: Final = 4 * 1024 * 1024
BODY_S: Final = 10.0
BULK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """A validated body. `lines` are the line numbers of its items where they came as CSV."""

    body: Any
    lines: Sequence[int] | None = None


def ids(http: web.Request) -> dict[str, UUID]:
    """The path parameters. Raises a 404 Problem for one that is no UUID, since nothing has such an id."""
    try:
        return {name: UUID(text) for name, text in http.match_info.items()}
    except ValueError:
        raise Problem(404, "Not found", NOT_THERE) from None


async def raw(http: web.Request, operation: Operation) -> bytes:
    """The bytes of the body; none where the operation takes no body, or where it is optional and was not sent."""
    if operation.body is None or (not http.can_read_body and is_optional(operation.body)):
        return b""
    taken = (JSON, CSV) if operation.bulk else (JSON,)
    if http.content_type not in taken or (http.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(415, "Unsupported media type", f"send the body as {' or '.join(taken)}, in UTF-8")
    limit, seconds = (BULK_MAX, BULK_S) if operation.bulk else (BODY_MAX, BODY_S)
    if (http.content_length or 0) > limit:
        raise _too_large(limit)
    read = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in http.content.iter_any():
                read += chunk
                if len(read) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Problem(408, "Request timeout", f"the body did not come within {seconds:.0f} s") from None
    except web.RequestPayloadError:
        raise Problem(400, "Bad request", "the body does not arrive as its headers say") from None
    return bytes(read)


def body(http: web.Request, operation: Operation, sent: bytes) -> ParsedBody:
    """The body as the operation's model, None where the operation takes no body. `bulk` parses large ones."""
    model = operation.body
    if model is None:
        return ParsedBody(None)
    if not sent and is_optional(model) and not http.can_read_body:
        return ParsedBody(model())
    try:
        # pydantic alone would accept NaN and lone surrogates; orjson refuses both, and all but UTF-8.
        orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", f"the body is no JSON: {error.msg} at character {error.pos}") from None
    try:
        return ParsedBody(model.model_validate_json(sent))
    except ValidationError as error:
        raise invalid_values.of_body(error) from None


def query(http: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    """The query as `model`. Without a model, any parameter is refused."""
    given = dict(http.query)
    if len(given) != len(http.query):
        raise Problem(422, "Invalid value", "a query parameter may be given once only")
    try:
        return (model or _NoQuery).model_validate(given)
    except ValidationError as error:
        raise invalid_values.of_query(error) from None


def is_optional(model: type[BaseModel]) -> bool:
    """Return True if a body may be left out, since all of its fields may."""
    return not any(field.is_required() for field in model.model_fields.values())


class _NoQuery(BaseModel, extra="forbid"):
    """The query of an operation without parameters."""


def _too_large(limit: int) -> Problem:
    return Problem(413, "Content too large", f"a body has at most {limit} bytes here")
