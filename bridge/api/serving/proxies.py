"""Trusted proxies: a request that came through one bears the client's own address and scheme."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.domain.access import client_address
from bridge.domain.access.client_address import Network


def middleware(trusted: Sequence[Network]) -> Middleware:
    """Set `remote` and `scheme` of each request to those of the client, as far as trusted proxies tell them."""

    @web.middleware
    async def find_client(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.remote or ""
        remote = client_address.client(peer, request.headers.getall("X-Forwarded-For", ()), trusted)
        forwarded_proto = request.headers.getall("X-Forwarded-Proto", ())
        scheme = client_address.scheme(peer, forwarded_proto, trusted) or request.scheme
        if (remote, scheme) == (peer, request.scheme):
            return await handler(request)
        return await handler(request.clone(remote=remote, scheme=scheme))

    return find_client
