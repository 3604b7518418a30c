"""One attempt at a webhook over HTTP: it follows no redirects, gives up soon, and avoids one's own network."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final, Self

import aiohttp
from aiohttp import AddrInfoType, ClientTimeout, TCPConnector

from bridge.domain.webhooks import target
from bridge.domain.webhooks.retry import Reply

ANSWER_S: Final = 10.0
ANSWER_MAX: Final = 4096
"""The most bytes of a response's body that are read. Nothing in it matters, but a connection can serve again only
after the whole body was read."""
IDLE_S: Final = 15.0
_AGENT: Final = "bridge-webhooks/1"


class _Private(OSError):
    """The host's name resolves to an address that is not on the public internet."""


class HttpCourier:
    """Implements webhook_ports.Courier. `private` allows targets in one's own network, and without TLS."""

    def __init__(self, private: bool, answer_s: float = ANSWER_S) -> None:
        self._private = private
        self._answer_s = answer_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # The number of connections is limited by `deliver_webhooks`, which limits attempts.
            connector=TCPConnector(limit=0, keepalive_timeout=IDLE_S, socket_factory=self._socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=ClientTimeout(total=self._answer_s),
            headers={"User-Agent": _AGENT},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        assert self._session is not None
        sent = {**headers, "Content-Type": "application/json"}
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as response:
                await _read(response)
                return _reply(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Reply(None, self._explained(error))

    def _socket(self, address: AddrInfoType) -> socket.socket:
        """Make a socket for the address that will be connected to. Only here is it known what a name resolved to.

        A check at any earlier time could be deceived by a name that resolves to another address later.
        """
        family, kind, protocol, _, where = address
        # A zone of IPv6 (`%eth0`) belongs to a link-local address.
        host = ip_address(str(where[0]).partition("%")[0])
        if not self._private and not target.is_public(host):
            raise _Private
        return socket.socket(family, kind, protocol)

    def _explained(self, error: Exception) -> str:
        """Describe an error for the owner of the webhook, without details of the network that the daemon is in."""
        match error:
            case aiohttp.ClientConnectorCertificateError():
                why = error.certificate_error
                said = why.verify_message if isinstance(why, ssl.SSLCertVerificationError) else "it does not fit"
                return f"the certificate of the host is not trusted: {said}"
            case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
                return "TLS with the host failed: does the port speak TLS 1.2 or newer?"
            case aiohttp.ClientConnectorDNSError():
                return "the host's name is not known in the DNS"
            case aiohttp.ClientConnectorError() if isinstance(error.os_error, _Private):
                return "the host's name resolves to an address that is not on the public internet"
            case aiohttp.ClientConnectorError():
                return f"no connection to the host: {_os(error.os_error)}"
            case asyncio.TimeoutError():
                return f"no answer within {self._answer_s:g} s"
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
                return "the connection was closed before there was an answer"
            case aiohttp.ClientResponseError():
                return "the answer is not HTTP"
            case aiohttp.InvalidURL() | ValueError():
                return "nothing can be sent to this URL"
            case _:
                return f"it could not be sent ({type(error).__name__})"


async def _read(response: aiohttp.ClientResponse) -> None:
    left = ANSWER_MAX
    while left > 0 and (chunk := await response.content.read(left)):
        left -= len(chunk)
    if not response.content.at_eof():
        response.close()


def _reply(response: aiohttp.ClientResponse) -> Reply:
    status = response.status
    if 200 <= status < 300:
        return Reply(status)
    error = "the answer redirects, and is not followed: change the URL" if 300 <= status < 400 else f"answer {status}"
    after = response.headers.get("Retry-After", "")
    return Reply(status, error, int(after) if after.isascii() and after.isdecimal() and len(after) < 9 else None)


def _os(error: OSError) -> str:
    return (error.strerror or "refused").lower()
