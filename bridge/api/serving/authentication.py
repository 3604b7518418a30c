"""Authentication: every path under /v1 needs an API key."""

import hmac
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.api.http.problems import Problem
from bridge.domain.access import api_key
from bridge.domain.access.principal import OPERATOR, Principal
from bridge.usecases.access.ports import ApiKeys

PRINCIPAL: Final = web.RequestKey("principal", Principal)


def middleware(operator_key: str, api_keys: ApiKeys) -> Middleware:
    """Refuse requests to /v1 without a valid key, even for paths that do not exist; keep the principal of the others.

    The operator's own key is compared here, so that it works while Postgres is away.
    """
    expected = operator_key.encode()

    async def find_principal(key: str) -> Principal | None:
        if hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected):
            return OPERATOR
        digest = api_key.digest(key)
        return None if digest is None else await api_keys.principal(digest)

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1" or request.path.startswith("/v1/"):
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            principal = await find_principal(key.strip()) if scheme.lower() == "bearer" else None
            if principal is None:
                raise Problem(401, "Unauthorized", "send a valid key as Authorization: Bearer KEY")
            request[PRINCIPAL] = principal
        return await handler(request)

    return authenticate
