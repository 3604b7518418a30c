"""One attempt to deliver an event, against receivers that succeed, fail, hang and misbehave."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.domain.webhooks.retry import Reply
from bridge.webhooks.courier import ANSWER_MAX, HttpCourier
from tests.webhooks.conftest import Receiver

HEADERS = {"webhook-id": "1", "webhook-timestamp": "2", "webhook-signature": "v1,x"}


@pytest.fixture
async def courier() -> AsyncIterator[HttpCourier]:
    async with HttpCourier(private=True, answer_s=0.5) as courier:
        yield courier


@pytest.fixture
async def outside() -> AsyncIterator[HttpCourier]:
    """One that may go to the public internet alone."""
    async with HttpCourier(private=False, answer_s=2.0) as courier:
        yield courier


async def post(courier: HttpCourier, url: str) -> Reply:
    return await courier.post(url, HEADERS, b'{"a": 1}')


async def test_what_is_sent(courier: HttpCourier, receiver: Receiver) -> None:
    assert await post(courier, receiver.url("/hook")) == Reply(200)
    [message] = receiver.messages
    assert message.body == b'{"a": 1}'
    assert message.headers["content-type"] == "application/json"
    assert message.headers["webhook-id"] == "1"
    assert "aiohttp" not in message.headers["user-agent"]


@pytest.mark.parametrize("status", [201, 204, 299])
async def test_any_2xx_is_received(courier: HttpCourier, receiver: Receiver, status: int) -> None:
    async def answers(_: web.Request) -> web.Response:
        return web.Response(status=status)

    receiver.behaviours["/hook"] = answers
    assert (await post(courier, receiver.url("/hook"))).delivered


async def test_what_the_receiver_refuses(courier: HttpCourier, receiver: Receiver) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "17"})

    async def dated(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "Wed, 25 Nov 2026 07:28:00 GMT"})

    receiver.behaviours |= {"/busy": busy, "/dated": dated}
    assert await post(courier, receiver.url("/busy")) == Reply(503, "answer 503", 17)
    assert await post(courier, receiver.url("/dated")) == Reply(429, "answer 429")


async def test_redirects_are_not_followed(courier: HttpCourier, receiver: Receiver) -> None:
    async def redirects(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    receiver.behaviours["/hook"] = redirects
    reply = await post(courier, receiver.url("/hook"))
    assert (reply.status, reply.delivered) == (307, False)
    assert "redirects" in reply.error
    assert [message.path for message in receiver.messages] == ["/hook"]


async def test_a_receiver_that_hangs_is_given_up(courier: HttpCourier, receiver: Receiver) -> None:
    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    receiver.behaviours |= {"/hangs": hangs, "/drips": drips}
    for path in ("/hangs", "/drips"):
        began = time.monotonic()
        assert await post(courier, receiver.url(path)) == Reply(None, "no answer within 0.5 s")
        assert time.monotonic() - began < 20


async def test_no_more_than_a_little_of_an_answer_is_read(courier: HttpCourier, receiver: Receiver) -> None:
    written = 0

    async def talks(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * ANSWER_MAX)
            written += ANSWER_MAX

    receiver.behaviours["/hook"] = talks
    assert await post(courier, receiver.url("/hook")) == Reply(200)
    # What buffers along the way hold, and no more.
    assert written < 64 << 20
    assert await post(courier, receiver.url("/other")) == Reply(200)


async def test_a_receiver_that_dies_in_the_middle(courier: HttpCourier, receiver: Receiver) -> None:
    async def dies(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async def promises(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport
        request.transport.abort()
        return response

    receiver.behaviours |= {"/dies": dies, "/promises": promises}
    for path in ("/dies", "/promises"):
        reply = await post(courier, receiver.url(path))
        assert reply == Reply(None, "the connection was closed before there was an answer")


async def test_what_is_no_http(courier: HttpCourier) -> None:
    async def babbles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babbles, "127.0.0.1", 0) as served:
        port = served.sockets[0].getsockname()[1]
        assert await post(courier, f"http://127.0.0.1:{port}/") == Reply(None, "the answer is not HTTP")


async def test_nobody_there(courier: HttpCourier) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        reply = await post(courier, f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert reply.status is None
    assert reply.error.startswith("no connection to the host: ")
    assert (await post(courier, "http://no-such-host.invalid/")).error == "the host's name is not known in the DNS"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_inside_is_out_of_reach(outside: HttpCourier, receiver: Receiver, host: str) -> None:
    port = receiver.base.rpartition(":")[2]
    reply = await post(outside, f"http://{host}:{port}/hook")
    assert reply.status is None
    assert any(word in reply.error for word in ("not on the public internet", "DNS", "sent to this URL"))
    assert receiver.messages == []


async def test_a_name_that_changes_its_mind_is_judged_where_it_leads(
    outside: HttpCourier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: whatever was looked up when the webhook was made, the connection is what counts."""
    port = int(receiver.base.rpartition(":")[2])

    async def looked_up(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    reply = await post(outside, f"http://hooks.example.com:{port}/")
    assert "not on the public internet" in reply.error
    assert receiver.messages == []


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_has_to_be_trusted(courier: HttpCourier, receiver: Receiver, tmp_path: Path) -> None:
    def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(closes, "127.0.0.1", 0, ssl=certificate(tmp_path)) as served:
        port = served.sockets[0].getsockname()[1]
        reply = await post(courier, f"https://127.0.0.1:{port}/")
    assert reply == Reply(None, "the certificate of the host is not trusted: self-signed certificate")
    reply = await post(courier, receiver.url("/hook").replace("http://", "https://"))
    assert reply.error == "TLS with the host failed: does the port speak TLS 1.2 or newer?"
    assert receiver.messages == []
