"""Authentication: every path under /v1 needs an API key. Wrong keys are counted by the address that they come from."""

import asyncio
import contextlib
import hmac
import time
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge import telemetry
from bridge.api.http.problems import Problem
from bridge.domain.access import api_key, wrong_keys
from bridge.domain.access.principal import OPERATOR, Principal
from bridge.domain.access.wrong_keys import WrongKeys
from bridge.usecases.access.ports import ApiKeys

log = structlog.get_logger()

PRINCIPAL: Final = web.RequestKey("principal", Principal)


def middleware(operator_key: str, api_keys: ApiKeys, counts: WrongKeys) -> Middleware:
    """Refuse requests to /v1 without a valid key, even for paths that do not exist; keep the principal of the others.

    The operator's own key is compared here, so that it works while Postgres is away. Keys from an address that has
    sent too many wrong ones are looked up one at a time, so that they take at most one connection of Postgres.
    """
    expected = operator_key.encode()
    one_at_a_time = asyncio.Lock()

    async def find_principal(key: str, address: str) -> Principal | None:
        if hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected):
            return OPERATOR
        digest = api_key.digest(key)
        if digest is None:
            return None
        async with one_at_a_time if counts.waits(address, time.monotonic()) else contextlib.nullcontext():
            return await api_keys.principal(digest)

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1" or request.path.startswith("/v1/"):
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            key = key.strip() if scheme.lower() == "bearer" else ""
            if not key:
                raise _refusal("missing")
            address = request.remote or ""
            principal = await find_principal(key, address)
            if principal is None:
                raise _wrong(counts, address)
            telemetry.API_KEYS.labels("valid").inc()
            request[PRINCIPAL] = principal
        return await handler(request)

    return authenticate


def _wrong(counts: WrongKeys, address: str) -> Problem:
    """Count a wrong key, and return the problem that answers it."""
    answer = counts.count(address, time.monotonic())
    if answer.begins:
        log.warning(
            "wrong_api_keys",
            address=wrong_keys.source(address),
            mend="somebody guesses keys, or a program has an old one: find it by its address. Valid keys from there "
            "are still accepted",
        )
    if not answer.wait_s:
        return _refusal("wrong")
    telemetry.API_KEYS.labels("throttled").inc()
    detail = "the key is not valid, and too many others from your address were not either; send a valid key"
    return Problem(429, "Too many requests", detail, headers={"Retry-After": str(answer.wait_s)})


def _refusal(result: str) -> Problem:
    telemetry.API_KEYS.labels(result).inc()
    return Problem(401, "Unauthorized", "send a valid key as Authorization: Bearer KEY")
