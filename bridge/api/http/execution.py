"""Carries out one operation for an authenticated request: completely, or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from bridge.api.http import authorization, content_disposition, entity_tags, idempotency, negotiation, parsing, problems
from bridge.api.http.bulk.turns import TURNS
from bridge.api.http.content import Bytes, Json, Returned, Stream
from bridge.api.http.media_types import JSON
from bridge.api.http.operations import Operation
from bridge.api.http.parsing import ParsedBody
from bridge.api.http.problems import Problem
from bridge.api.http.request import ApiRequest
from bridge.api.http.response import ApiResponse, ApiStream
from bridge.domain.access.principal import Principal
from bridge.domain.errors import BridgeError, Forbidden
from bridge.usecases.services import Services

HANDLER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Received:
    """A request's Idempotency-Key with its digest, and its body, or what is wrong with the body."""

    key: str | None
    digest: bytes
    body: ParsedBody | Problem


async def execute(
    operation: Operation, services: Services, principal: Principal, http: web.Request
) -> ApiResponse | ApiStream:
    """Carry out an operation. Raises Problem and BridgeError: nothing was changed then.

    The key's scope is checked first, then that the path's ids belong to the key's account, then the values sent. So a
    key learns nothing about what it may not see, not even whether a value would have been accepted.
    """
    _check_scope(operation, principal)
    ids = parsing.ids(http)
    turn = http.app[TURNS].turn(principal) if operation.bulk else nullcontext()
    with turn, services.acting(principal, http.remote or ""):
        received = await _receive(operation, http)
        if operation.changes:
            return await _change(operation, services, principal, http, ids, received)
        async with asyncio.timeout(HANDLER_S):
            await authorization.check_path(services.ownership, principal, ids, change=False)
            request, lines = _validated(operation, services, principal, http, ids, received.body)
            return await _handled(operation, request, lines, http)


def _check_scope(operation: Operation, principal: Principal) -> None:
    if not principal.reaches(operation.scope):
        raise Forbidden(f"this takes a key of scope {operation.scope}; yours is of scope {principal.scope}")
    if operation.changes and principal.read_only:
        raise Forbidden("this key may only read: it was made so, or its account is suspended")


async def _receive(operation: Operation, http: web.Request) -> _Received:
    """Read and parse a body before the transaction, which must not wait for a slow client.

    What is wrong with a body is kept until the ids of the path are checked. Raises Problem where it cannot be read.
    """
    raw = await parsing.raw(http, operation)
    key = idempotency.key(http)
    body: ParsedBody | Problem
    try:
        if operation.bulk and operation.body is not None:
            body = await http.app[TURNS].parse(raw, operation.body, http.content_type)
        else:
            body = parsing.body(http, operation, raw)
    except Problem as problem:
        body = problem
    # Large bodies take a while, and hashing lets the event loop run.
    digest = b"" if key is None else await asyncio.to_thread(idempotency.digest, http, raw)
    return _Received(key, digest, body)


async def _change(
    operation: Operation,
    services: Services,
    principal: Principal,
    http: web.Request,
    ids: Mapping[str, UUID],
    received: _Received,
) -> ApiResponse:
    async with asyncio.timeout(HANDLER_S), services.unit_of_work():
        await authorization.check_path(services.ownership, principal, ids, change=True)
        request, lines = _validated(operation, services, principal, http, ids, received.body)

        async def carry_out() -> ApiResponse:
            response = await _handled(operation, request, lines, http)
            assert isinstance(response, ApiResponse), "Operation lets no change produce a stream"
            return response

        response = await idempotency.once(services, principal, received.key, received.digest, carry_out)
    if response.status < 400:
        await services.refresh()
        await services.follow_up(request.afterwards)
    return response


def _validated(
    operation: Operation,
    services: Services,
    principal: Principal,
    http: web.Request,
    ids: Mapping[str, UUID],
    body: ParsedBody | Problem,
) -> tuple[ApiRequest, Sequence[int] | None]:
    """The validated request, and the line numbers of its items where they came as a file."""
    query = parsing.query(http, operation.query)
    if isinstance(body, Problem):
        raise body
    if_match = http.headers.get("If-Match") if operation.versioned and operation.changes else None
    media_type = negotiation.choose(http.headers.get("Accept"), operation.produces)
    expected = entity_tags.expected(if_match)
    return ApiRequest(services, principal, ids, body.body, query, media_type, expected), body.lines


async def _handled(
    operation: Operation, request: ApiRequest, lines: Sequence[int] | None, http: web.Request
) -> ApiResponse | ApiStream:
    try:
        await authorization.check_query(request.services.ownership, request.principal, request.query)
        await authorization.check_body(request.services.ownership, request.principal, request.body)
        return await _response(operation, await operation.handler(request), http)
    except BridgeError as error:
        problem = problems.of(error, operation.body is None, lines)
        if problem.status >= 500:
            raise
        raise problem from error


async def _response(operation: Operation, returned: Returned, http: web.Request) -> ApiResponse | ApiStream:
    match returned:
        case None:
            return ApiResponse(operation.status)
        case Json(model) | (BaseModel() as model):
            version = getattr(model, "version", None) if operation.versioned else None
            body, media_type, file_name = model.model_dump_json(by_alias=True).encode(), JSON, None
        case Bytes(body, media_type, file_name, version):
            version = version if operation.versioned else None
        case Stream():
            return await _stream(operation, returned)
    if_none_match = http.headers.get("If-None-Match")
    if version is not None and not operation.changes and entity_tags.is_known(if_none_match, version):
        return ApiResponse(304, headers={"ETag": entity_tags.of(version)})
    headers = _headers(operation, media_type, file_name, version)
    return ApiResponse(operation.status, body, _content_type(media_type), headers)


async def _stream(operation: Operation, stream: Stream) -> ApiStream:
    """A stream whose first chunk is made, so that what fails before it still becomes a problem document."""
    first = await anext(stream.chunks, b"")
    headers = _headers(operation, stream.media_type, stream.file_name)
    return ApiStream(operation.status, first, stream.chunks, _content_type(stream.media_type), headers)


def _headers(
    operation: Operation, media_type: str, file_name: str | None, version: int | None = None
) -> Mapping[str, str]:
    assert media_type in operation.produces, f"{operation.name} does not say that it produces {media_type}"
    headers = {}
    if version is not None:
        headers["ETag"] = entity_tags.of(version)
    if file_name is not None:
        headers["Content-Disposition"] = content_disposition.attachment(file_name)
    if len(operation.produces) > 1:
        headers["Vary"] = "Accept"
    return headers


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
