"""One operation, from a request whose key is known to its answer: whole, or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from aiohttp import web

from bridge.api.http import authorization, entity_tags, idempotency, problems
from bridge.api.http import request as intake
from bridge.api.http.operations import Operation
from bridge.api.http.response import Answered
from bridge.domain.access.principal import Principal
from bridge.domain.errors import BridgeError, Forbidden
from bridge.usecases.services import Call, Services

HANDLER_S: Final = 30.0


async def execute(operation: Operation, services: Services, asking: Principal, request: web.Request) -> Answered:
    """Carry out an operation. Raises Problem and BridgeError: nothing was changed then.

    What the key is good for is looked at before anything else, whose things are before what is wanted of them.
    """
    _check_scope(operation, asking)
    ids = intake.ids(request)
    sent = await intake.raw(request, operation)
    with services.acting(asking, request.remote or ""):
        if operation.changes:
            return await _change(operation, services, asking, request, ids, sent)
        async with asyncio.timeout(HANDLER_S):
            await authorization.check_path(services.ownership, asking, ids, change=False)
            return await _answer(operation, *await _call(operation, services, asking, request, ids, sent), request)


def _check_scope(operation: Operation, asking: Principal) -> None:
    if not asking.reaches(operation.scope):
        raise Forbidden(f"this takes a key of scope {operation.scope}; yours is of scope {asking.scope}")
    if operation.changes and asking.read_only:
        raise Forbidden("this key may only read: it was made so, or its account is suspended")


async def _change(
    operation: Operation,
    services: Services,
    asking: Principal,
    request: web.Request,
    ids: Mapping[str, UUID],
    sent: bytes,
) -> Answered:
    key = idempotency.key(request)
    async with asyncio.timeout(HANDLER_S), services.together():
        await authorization.check_path(services.ownership, asking, ids, change=True)
        call, lines = await _call(operation, services, asking, request, ids, sent)
        digest = idempotency.digest(request, sent)
        answered = await idempotency.once(
            services, asking, key, digest, lambda: _answer(operation, call, lines, request)
        )
    if answered.status < 400:
        await services.refresh()
        await services.follow_up(call.afterwards)
    return answered


async def _call(
    operation: Operation,
    services: Services,
    asking: Principal,
    request: web.Request,
    ids: Mapping[str, UUID],
    sent: bytes,
) -> tuple[Call, Sequence[int] | None]:
    """The request, validated, and the lines of the file that its items came from."""
    query = intake.query(request, operation.query)
    read = await intake.body(request, operation, sent)
    if_match = request.headers.get("If-Match") if operation.versioned and operation.changes else None
    return Call(services, asking, ids, read.body, query, entity_tags.expected(if_match)), read.lines


async def _answer(operation: Operation, call: Call, lines: Sequence[int] | None, request: web.Request) -> Answered:
    try:
        await authorization.check_query(call.services.ownership, call.principal, call.query)
        await authorization.check_body(call.services.ownership, call.principal, call.body)
        answer = await operation.handler(call)
    except BridgeError as error:
        refusal = problems.of(error, operation.body is None, lines)
        if refusal.status >= 500:
            raise
        raise refusal from error
    if answer is None:
        return Answered(operation.status)
    version = getattr(answer, "version", None) if operation.versioned else None
    headers = {} if version is None else {"ETag": entity_tags.of(version)}
    known = request.headers.get("If-None-Match")
    if version is not None and not operation.changes and entity_tags.is_known(known, version):
        return Answered(304, headers=headers)
    return Answered(operation.status, answer.model_dump_json(by_alias=True), headers=headers)
