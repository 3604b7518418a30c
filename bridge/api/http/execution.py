"""Carries out one operation for an authenticated request: completely, or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from aiohttp import web

from bridge.api.http import authorization, entity_tags, idempotency, parsing, problems
from bridge.api.http.operations import Operation
from bridge.api.http.request import ApiRequest
from bridge.api.http.response import ApiResponse
from bridge.domain.access.principal import Principal
from bridge.domain.errors import BridgeError, Forbidden
from bridge.usecases.services import Services

HANDLER_S: Final = 30.0


async def execute(operation: Operation, services: Services, principal: Principal, http: web.Request) -> ApiResponse:
    """Carry out an operation. Raises Problem and BridgeError: nothing was changed then.

    The key's scope is checked first, then that the path's ids belong to the key's account, then the values sent. So a
    key learns nothing about what it may not see, not even whether a value would have been accepted.
    """
    _check_scope(operation, principal)
    ids = parsing.ids(http)
    raw = await parsing.raw(http, operation)
    with services.acting(principal, http.remote or ""):
        if operation.changes:
            return await _change(operation, services, principal, http, ids, raw)
        async with asyncio.timeout(HANDLER_S):
            await authorization.check_path(services.ownership, principal, ids, change=False)
            request, lines = await _validated(operation, services, principal, http, ids, raw)
            return await _handled(operation, request, lines, http)


def _check_scope(operation: Operation, principal: Principal) -> None:
    if not principal.reaches(operation.scope):
        raise Forbidden(f"this takes a key of scope {operation.scope}; yours is of scope {principal.scope}")
    if operation.changes and principal.read_only:
        raise Forbidden("this key may only read: it was made so, or its account is suspended")


async def _change(
    operation: Operation,
    services: Services,
    principal: Principal,
    http: web.Request,
    ids: Mapping[str, UUID],
    raw: bytes,
) -> ApiResponse:
    key = idempotency.key(http)
    async with asyncio.timeout(HANDLER_S), services.unit_of_work():
        await authorization.check_path(services.ownership, principal, ids, change=True)
        request, lines = await _validated(operation, services, principal, http, ids, raw)
        digest = idempotency.digest(http, raw)
        response = await idempotency.once(
            services, principal, key, digest, lambda: _handled(operation, request, lines, http)
        )
    if response.status < 400:
        await services.refresh()
        await services.follow_up(request.afterwards)
    return response


async def _validated(
    operation: Operation,
    services: Services,
    principal: Principal,
    http: web.Request,
    ids: Mapping[str, UUID],
    raw: bytes,
) -> tuple[ApiRequest, Sequence[int] | None]:
    """The validated request, and the line numbers of its items where they came as a file."""
    query = parsing.query(http, operation.query)
    parsed = await parsing.body(http, operation, raw)
    if_match = http.headers.get("If-Match") if operation.versioned and operation.changes else None
    request = ApiRequest(services, principal, ids, parsed.body, query, entity_tags.expected(if_match))
    return request, parsed.lines


async def _handled(
    operation: Operation, request: ApiRequest, lines: Sequence[int] | None, http: web.Request
) -> ApiResponse:
    try:
        await authorization.check_query(request.services.ownership, request.principal, request.query)
        await authorization.check_body(request.services.ownership, request.principal, request.body)
        answer = await operation.handler(request)
    except BridgeError as error:
        problem = problems.of(error, operation.body is None, lines)
        if problem.status >= 500:
            raise
        raise problem from error
    if answer is None:
        return ApiResponse(operation.status)
    version = getattr(answer, "version", None) if operation.versioned else None
    headers = {} if version is None else {"ETag": entity_tags.of(version)}
    if_none_match = http.headers.get("If-None-Match")
    if version is not None and not operation.changes and entity_tags.is_known(if_none_match, version):
        return ApiResponse(304, headers=headers)
    return ApiResponse(operation.status, answer.model_dump_json(by_alias=True), headers=headers)
