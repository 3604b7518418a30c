"""OPTIONS to real sockets: over UDP, TCP and TLS, and to what does not answer as it should."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.doctor import sip_probe
from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.trunk import Transport
from bridge.sandbox import certificate

OK = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"


class Server(asyncio.DatagramProtocol):
    """Answers over UDP, from the second request on, as after a lost packet."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.requests: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.requests.append(data)
        if len(self.requests) > 1:
            self._transport.sendto(self._answer, address)


@asynccontextmanager
async def over_udp(answer: bytes) -> AsyncIterator[tuple[Server, int]]:
    server = Server(answer)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@asynccontextmanager
async def over_tcp(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_over_udp_a_lost_request_is_sent_again() -> None:
    async with over_udp(b"SIP/2.0 404 Not Found\r\n\r\n") as (server, port):
        answer = await sip_probe.options("127.0.0.1", port, Transport.UDP)
    assert (answer.status, answer.reason) == (404, "Not Found")
    first, second = server.requests[:2]
    assert first == second
    assert first.startswith(f"OPTIONS sip:127.0.0.1:{port};transport=udp SIP/2.0\r\n".encode())


async def test_over_tcp() -> None:
    async with over_tcp(OK) as port:
        answer = await sip_probe.options("127.0.0.1", port, Transport.TCP)
    assert (answer.status, answer.certificate_until) == (200, None)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.ensure(tmp_path / "tls", days=30))
    return context


async def test_over_tls_the_end_of_the_certificate_is_told(tls: ssl.SSLContext) -> None:
    async with over_tcp(OK, tls) as port:
        answer = await sip_probe.options("127.0.0.1", port, Transport.TLS, verify=False)
    assert answer.certificate_until is not None
    assert sip_probe.days_left(answer.certificate_until) == 29


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tls: ssl.SSLContext) -> None:
    async with over_tcp(OK, tls) as port:
        with pytest.raises(Unavailable, match="certificate is not trusted: self-signed"):
            await sip_probe.options("127.0.0.1", port, Transport.TLS)


async def test_what_does_not_speak_sip_is_told() -> None:
    async with over_tcp(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(Unavailable, match="does not speak SIP"):
            await sip_probe.options("127.0.0.1", port, Transport.TCP)
    async with over_tcp(b"") as port:
        with pytest.raises(Unavailable, match="closed the connection"):
            await sip_probe.options("127.0.0.1", port, Transport.TCP)


async def test_nobody_there_is_told_in_time() -> None:
    async with over_udp(OK) as (_, port):
        pass
    for transport in (Transport.UDP, Transport.TCP):
        with pytest.raises(Unavailable):
            await sip_probe.options("127.0.0.1", port, transport)
