"""Asks a SIP server whether it is there: one OPTIONS (RFC 3261, section 11), over UDP, TCP or TLS.

This is no SIP stack. It sends one request, reads one status line, and looks at the certificate of a TLS server.
"""

import asyncio
import secrets
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.trunk import Transport

ANSWER_S: Final = 2.0
RESENT_S: Final = 0.5
"""T1 of RFC 3261: over UDP a request without a response is sent again."""
LONGEST: Final = 65_536


@dataclass(frozen=True, slots=True)
class SipResponse:
    """The status line of a response, the seconds it took, and the end of the server's certificate over TLS."""

    status: int
    reason: str
    seconds: float
    certificate_until: datetime | None = None


async def options(host: str, port: int, transport: Transport, *, verify: bool = True) -> SipResponse:
    """Send OPTIONS and return the response. Raises Unavailable with the reason: no route, no answer, no trust."""
    request = _request(host, port, transport)
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_S):
            if transport is Transport.UDP:
                return _response(await _by_datagrams(host, port, request), began, None)
            return await _by_stream(host, port, transport, request, began, verify)
    except TimeoutError:
        raise Unavailable(f"no answer within {ANSWER_S:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"its certificate is not trusted: {error.verify_message}") from error
    except OSError as error:
        raise Unavailable(error.strerror or type(error).__name__) from error


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: "asyncio.Future[bytes]") -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, _: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


async def _by_datagrams(host: str, port: int, request: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(answer), remote_addr=(host, port))
    try:
        while True:
            transport.sendto(request)
            try:
                async with asyncio.timeout(RESENT_S):
                    return await asyncio.shield(answer)
            except TimeoutError:
                continue
    finally:
        transport.close()


async def _by_stream(
    host: str, port: int, transport: Transport, request: bytes, began: float, verify: bool
) -> SipResponse:
    context = None
    if transport is Transport.TLS:
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=LONGEST)
    try:
        until = _certificate_until(writer.get_extra_info("ssl_object"))
        writer.write(request)
        return _response(await reader.readuntil(b"\r\n"), began, until)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Unavailable("it closed the connection without an answer") from error
    finally:
        writer.close()


def _certificate_until(tls: ssl.SSLObject | None) -> datetime | None:
    certificate = tls and tls.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc if certificate else None


def _response(data: bytes, began: float, until: datetime | None) -> SipResponse:
    version, _, rest = data.split(b"\r\n", 1)[0].decode("utf-8", "replace").partition(" ")
    status, _, reason = rest.partition(" ")
    if version != "SIP/2.0" or not status.isdecimal():
        raise Unavailable("what answers there does not speak SIP")
    return SipResponse(int(status), reason[:60], time.monotonic() - began, until)


def _request(host: str, port: int, transport: Transport) -> bytes:
    where = f"[{host}]" if ":" in host else host
    tag, branch, call = (secrets.token_hex(8) for _ in range(3))
    lines = [
        f"OPTIONS sip:{where}:{port};transport={transport} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} bridge.invalid;rport;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        f"From: <sip:bridge@bridge.invalid>;tag={tag}",
        f"To: <sip:{where}>",
        f"Call-ID: {call}@bridge.invalid",
        "CSeq: 1 OPTIONS",
        "Accept: application/sdp",
        "User-Agent: bridge doctor",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def days_left(until: datetime) -> int:
    """Whole days until an instant, negative after it."""
    return (until - datetime.now(UTC)).days
