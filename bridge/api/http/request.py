"""What a request brings, taken apart and validated against the operation table. Whatever does not fit is a Problem."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bridge.api.http import csv_items, problems
from bridge.api.http.operations import Operation
from bridge.api.http.problems import NOT_THERE, FieldError, Problem

BODY_MAX: Final = 64 * 1024
BULK_MAX: Final = 8 * 1024 * 1024
BODY_S: Final = 10.0
BULK_S: Final = 60.0
ERRORS_MAX: Final = 20
JSON: Final = "application/json"
CSV: Final = "text/csv"


@dataclass(frozen=True, slots=True)
class Sent:
    """A validated body. `lines` are those of its file where it came as CSV."""

    body: Any
    lines: Sequence[int] | None = None


def ids(request: web.Request) -> dict[str, UUID]:
    """Path parameters; one that is no UUID names nothing that exists."""
    try:
        return {name: UUID(text) for name, text in request.match_info.items()}
    except ValueError:
        raise Problem(404, "Not found", NOT_THERE) from None


async def raw(request: web.Request, operation: Operation) -> bytes:
    """The bytes of the body, none where the operation takes none, or where none was sent and all of it is optional."""
    if operation.body is None or (not request.can_read_body and is_optional(operation.body)):
        return b""
    taken = (JSON, CSV) if operation.bulk else (JSON,)
    if request.content_type not in taken or (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(415, "Unsupported media type", f"send the body as {' or '.join(taken)}, in UTF-8")
    most, patience = (BULK_MAX, BULK_S) if operation.bulk else (BODY_MAX, BODY_S)
    if (request.content_length or 0) > most:
        raise _too_large(most)
    read = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for chunk in request.content.iter_any():
                read += chunk
                if len(read) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Problem(408, "Request timeout", f"the body did not come within {patience:.0f} s") from None
    except web.RequestPayloadError:
        raise Problem(400, "Bad request", "the body does not arrive as its headers say") from None
    return bytes(read)


async def body(request: web.Request, operation: Operation, sent: bytes) -> Sent:
    """The body as the operation's model, None when it takes none."""
    model = operation.body
    if model is None:
        return Sent(None)
    if not sent and is_optional(model) and not request.can_read_body:
        return Sent(model())
    if operation.bulk:
        # Many rows take a while: others are served meanwhile.
        read = _csv if request.content_type == CSV else _json
        return await asyncio.to_thread(read, sent, model)
    return _json(sent, model)


def query(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    """The query as `model`, None when the operation takes none."""
    given = dict(request.query)
    if len(given) != len(request.query):
        raise Problem(422, "Invalid value", "a query parameter may be given once only")
    try:
        return (model or _Nothing).model_validate(given)
    except ValidationError as error:
        raise _problem(error, in_query=True) from None


def is_optional(model: type[BaseModel]) -> bool:
    """Whether a body may be left out: all of its fields may."""
    return not any(field.is_required() for field in model.model_fields.values())


class _Nothing(BaseModel, extra="forbid"):
    """The query of an operation that takes none."""


def _json(sent: bytes, model: type[BaseModel]) -> Sent:
    try:
        # The strictest reader first: no NaN, no lone surrogate, UTF-8 only.
        orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", f"the body is no JSON: {error.msg} at character {error.pos}") from None
    return _validated(sent, model)


def _csv(sent: bytes, model: type[BaseModel]) -> Sent:
    read = csv_items.read(sent, csv_items.item_model(model))
    return _validated(orjson.dumps({"items": read.items}), model, read.lines)


def _validated(sent: bytes, model: type[BaseModel], lines: Sequence[int] | None = None) -> Sent:
    try:
        return Sent(model.model_validate_json(sent), lines)
    except ValidationError as error:
        raise _problem(error, lines=lines) from None


def _too_large(most: int) -> Problem:
    return Problem(413, "Content too large", f"a body has at most {most} bytes here")


def _problem(error: ValidationError, *, in_query: bool = False, lines: Sequence[int] | None = None) -> Problem:
    found: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, "Bad request", "the body is no JSON that can be read here")
    named = [_field(each["loc"], _said(each["msg"]), in_query, lines) for each in found[:ERRORS_MAX]]
    return Problem(422, "Invalid value", "; ".join(f"{each.pointer}: {each.detail}" for each in named), named)


def _field(loc: tuple[int | str, ...], said: str, in_query: bool, lines: Sequence[int] | None) -> FieldError:
    if in_query:
        return FieldError(str(loc[0])[:100], said)
    match loc:
        case ("items", int(row), *_) if lines is not None and row < len(lines):
            said = f"line {lines[row]}: {said}"
    return FieldError(problems.pointer(*loc), said)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
