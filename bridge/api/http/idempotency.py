"""Idempotency-Key: what was answered once is answered again, and nothing is done twice."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from bridge.api.http import response
from bridge.api.http.problems import Problem
from bridge.api.http.response import Answered
from bridge.domain.access.principal import Principal
from bridge.usecases.access.ports import StoredResponse
from bridge.usecases.services import Services

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_PASSING: Final = frozenset({429})
"""Refusals that may be gone at the next attempt, as all from 500 on: these are not kept."""


def key(request: web.Request) -> str | None:
    """The key of a request, None without. Raises Problem."""
    given = request.headers.getall(HEADER, [])
    if request.method != "POST" or not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Problem(400, "Bad request", f"send one {HEADER} of 1 to 255 printable ASCII characters")
    return given[0]


def digest(request: web.Request, body: bytes) -> bytes:
    """All that makes a request the same as another."""
    told = hashlib.sha256()
    for part in (request.method, request.path_qs, request.content_type, body):
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        told.update(len(raw).to_bytes(8, "big") + raw)
    return told.digest()


async def once(
    services: Services,
    asking: Principal,
    key: str | None,
    request: bytes,
    carry_out: Callable[[], Awaitable[Answered]],
) -> Answered:
    """Carry out a request, or tell what it was answered before; within `services.together()`.

    Refusals are answers too, and are kept beside what they undid. Raises Problem, RequestInProgress.
    """
    if key is None:
        return await carry_out()
    earlier = await services.idempotency.earlier(asking.id, key)
    if earlier is not None:
        if earlier.request != request:
            raise Problem(422, "Invalid value", f"this {HEADER} was used for another request: make a new one")
        again = response.unpacked(earlier.status, earlier.answer)
        return Answered(again.status, again.body, again.content_type, {**again.headers, REPLAYED: "true"})
    try:
        async with services.together():
            made = await carry_out()
    except Problem as problem:
        if problem.status >= 500 or problem.status in _PASSING:
            raise
        made = problem.answered()
    await services.idempotency.keep(asking.id, key, StoredResponse(request, made.status, made.packed()))
    return made
