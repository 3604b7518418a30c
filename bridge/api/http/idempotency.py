"""Idempotency-Key: a request that is sent again is not carried out again, and gets its first response once more."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from bridge.api.http import response as responses
from bridge.api.http.problems import Problem
from bridge.api.http.response import ApiResponse
from bridge.domain.access.principal import Principal
from bridge.usecases.access.ports import StoredResponse
from bridge.usecases.services import Services

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_TRANSIENT: Final = frozenset({429})
"""Refusals that the next attempt may not meet. They are not stored, nor is any status from 500 on."""


def key(http: web.Request) -> str | None:
    """The Idempotency-Key of a POST, None without one. Raises Problem."""
    given = http.headers.getall(HEADER, [])
    if http.method != "POST" or not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Problem(400, "Bad request", f"send one {HEADER} of 1 to 255 printable ASCII characters")
    return given[0]


def digest(http: web.Request, body: bytes) -> bytes:
    """SHA-256 over everything that makes two requests the same: method, path, query, media type and body."""
    digest = hashlib.sha256()
    for part in (http.method, http.path_qs, http.content_type, body):
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


async def once(
    services: Services,
    principal: Principal,
    key: str | None,
    request_digest: bytes,
    carry_out: Callable[[], Awaitable[ApiResponse]],
) -> ApiResponse:
    """Carry out a request, or return the stored response of its first attempt. Call it within a unit of work.

    A refusal is stored as well, in the outer transaction; what the request did is undone by the inner one. Raises
    Problem, and RequestInProgress while another attempt is being carried out.
    """
    if key is None:
        return await carry_out()
    stored = await services.idempotency.earlier(principal.id, key)
    if stored is not None:
        if stored.request != request_digest:
            raise Problem(422, "Invalid value", f"this {HEADER} was used for another request: make a new one")
        first = responses.unpacked(stored.status, stored.answer)
        return ApiResponse(first.status, first.body, first.content_type, {**first.headers, REPLAYED: "true"})
    try:
        async with services.unit_of_work():
            response = await carry_out()
    except Problem as problem:
        if problem.status >= 500 or problem.status in _TRANSIENT:
            raise
        response = problem.response()
    await services.idempotency.keep(
        principal.id, key, StoredResponse(request_digest, response.status, response.packed())
    )
    return response
