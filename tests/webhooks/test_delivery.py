"""From a committed event to a receiver: signed, in order, at least once, whatever fails on the way."""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from bridge import telemetry
from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.changes import AccountFields
from bridge.domain.provisioning.tenants import Account
from bridge.domain.webhooks import signature
from bridge.domain.webhooks.event import Event, EventKind, Webhook
from bridge.domain.webhooks.retry import Reply
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.deliveries import PostgresDeliveries
from bridge.storage.webhooks.outbox import PostgresOutbox
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.webhooks import keep_webhooks
from bridge.usecases.webhooks.deliver_webhooks import MOST_OF_ACCOUNT, deliver_webhooks
from bridge.usecases.webhooks.ports import ClaimedAttempts, ClaimLimits, DeliveryAttempt
from bridge.webhooks.courier import HttpCourier
from bridge.webhooks.deliverer import Deliverer
from tests.storage.webhooks.webhook_world import subscribe
from tests.webhooks.conftest import Message, Receiver

SECRET = "5eed" * 16


class Hasty:
    """Deliveries whose waits are a thousandth of what they should be, and short at the most."""

    def __init__(self, inner: PostgresDeliveries) -> None:
        self._inner = inner

    async def claim(self, limits: ClaimLimits) -> ClaimedAttempts:
        return await self._inner.claim(limits)

    async def settle(self, attempt: DeliveryAttempt, reply: Reply, wait_s: float | None) -> None:
        await self._inner.settle(attempt, reply, None if wait_s is None else min(wait_s / 1000, 0.2))


@contextlib.asynccontextmanager
async def running(work: "asyncio.Future[None] | object") -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def delivering(database: Database, secrets: Keys) -> AsyncIterator[None]:
    """Deliver everything that is pending, as the daemon does."""
    async with running(Deliverer(PostgresDeliveries(database), secrets.unseal, private=True, answer_s=0.5).run()):
        yield


@pytest.fixture
async def hasty(database: Database, secrets: Keys) -> AsyncIterator[None]:
    """Deliver everything that is pending, with short delays between retries."""
    away: list[Unavailable] = []
    faults: list[Exception] = []
    async with HttpCourier(private=True, answer_s=0.2) as courier:
        work = deliver_webhooks(
            Hasty(PostgresDeliveries(database)),
            courier,
            secrets.unseal,
            lambda ended: None,
            away.append,
            lambda attempt, error: faults.append(error),
        )
        async with running(work):
            yield
    assert away == faults == []


def event(account: Account, lane: str = "lane", **data: object) -> Event:
    return Event(uuid4(), EventKind.PARTICIPANT_JOINED, datetime.now(UTC), account.id, lane, data)


def is_signed(message: Message, secret: str) -> bool:
    timestamp = int(message.headers["webhook-timestamp"])
    wanted = signature.signature(secret, message.headers["webhook-id"], timestamp, message.body)
    return abs(time.time() - timestamp) < 60 and wanted in message.headers["webhook-signature"].split(" ")


async def settled(database: Database, seconds: float = 20.0) -> None:
    """Wait until no delivery is pending."""
    async with asyncio.timeout(seconds):
        while True:
            async with database.transaction() as connection:
                if not await connection.scalar(text("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'")):
                    return
            await asyncio.sleep(0.02)


async def test_a_committed_event_is_delivered(
    database: Database, secrets: Keys, account: Account, receiver: Receiver, delivering: None
) -> None:
    hook, secret = await subscribe(database, secrets, account.id, url=receiver.url("/hook?token=hidden"))
    told = event(account, n=1)
    with capture_logs() as logs:
        await PostgresOutbox(database).emit(told)
        await receiver.until(lambda one: len(one.messages) == 1)
        await settled(database)
    [message] = receiver.messages
    assert message.headers["webhook-id"] == str(told.id)
    assert is_signed(message, secret)
    body = json.loads(message.body)
    assert (body["id"], body["type"], body["account_id"]) == (str(told.id), "participant.joined", str(account.id))
    assert body["data"] == {"n": 1}
    [line] = [line for line in logs if line["event"] == "webhook_delivered"]
    assert (line["webhook"], line["host"], line["status"]) == (str(hook.id), "127.0.0.1", 200)
    assert "hidden" not in str(logs)
    assert secret not in str(logs)


async def test_the_seconds_between_are_few_also_for_a_whole_conference(
    database: Database, secrets: Keys, account: Account, receiver: Receiver, delivering: None
) -> None:
    """Each waits for the one before: a hundred in one lane must not take a hundred looks."""
    await subscribe(database, secrets, account.id, url=receiver.url("/hook"))
    began = time.monotonic()
    await PostgresOutbox(database).emit(*(event(account, n=number) for number in range(100)))
    await receiver.until(lambda one: len(one.messages) == 100)
    assert time.monotonic() - began < 20
    assert [json.loads(message.body)["data"]["n"] for message in receiver.messages] == list(range(100))


async def test_it_is_sent_again_until_it_is_received_the_same_each_time(
    database: Database, secrets: Keys, account: Account, receiver: Receiver, hasty: None
) -> None:
    async def recovers(request: web.Request) -> web.StreamResponse:
        match receiver.came[request.path]:
            case 1:
                return web.Response(status=500)
            case 2:
                assert request.transport
                request.transport.abort()
                return web.Response()
            case 3:
                await asyncio.sleep(60)
                return web.Response()
            case 4:
                return web.Response(status=302, headers={"Location": "/elsewhere"})
            case _:
                return web.Response(status=202)

    receiver.behaviours["/hook"] = recovers
    hook, secret = await subscribe(database, secrets, account.id, url=receiver.url("/hook"))
    told = event(account)
    await PostgresOutbox(database).emit(told)
    await settled(database)
    assert len(receiver.messages) == 5
    assert {message.headers["webhook-id"] for message in receiver.messages} == {str(told.id)}
    assert len({message.body for message in receiver.messages}) == 1
    assert all(is_signed(message, secret) for message in receiver.messages)
    [logged] = await PostgresWebhooks(database).deliveries(hook.id, None, None, 10)
    assert (logged.state, logged.attempts, logged.status, logged.error) == ("delivered", 5, 202, "")


async def test_a_rotated_secret_signs_beside_the_former(
    database: Database, secrets: Keys, account: Account, receiver: Receiver, delivering: None
) -> None:
    hook, former = await subscribe(database, secrets, account.id, url=receiver.url("/hook"))
    webhooks = PostgresWebhooks(database)
    _, new = await keep_webhooks.rotate_secret(webhooks, secrets, hook.id, timedelta(hours=1))
    await webhooks.ping(hook.id)
    await receiver.until(lambda one: len(one.messages) == 1)
    assert is_signed(receiver.messages[0], former)
    assert is_signed(receiver.messages[0], new)
    await keep_webhooks.rotate_secret(webhooks, secrets, hook.id)
    await webhooks.ping(hook.id)
    await receiver.until(lambda one: len(one.messages) == 2)
    assert not is_signed(receiver.messages[1], new)


async def test_a_secret_that_cannot_be_opened_is_told(
    database: Database, account: Account, secrets: Keys, receiver: Receiver, hasty: None
) -> None:
    hook, _ = await subscribe(database, secrets, account.id, url=receiver.url("/hook"))
    webhooks = PostgresWebhooks(database)
    await webhooks.change_secret(hook.id, b"sealed under a key that is lost")
    await webhooks.ping(hook.id)
    async with asyncio.timeout(10):
        while "rotate it" not in (await webhooks.deliveries(hook.id, None, None, 1))[0].error:
            await asyncio.sleep(0.02)
    assert receiver.messages == []


async def test_a_delivery_that_a_fault_of_ours_stops_stops_no_other(
    database: Database, account: Account, secrets: Keys, receiver: Receiver, delivering: None
) -> None:
    hook, _ = await subscribe(database, secrets, account.id, url=receiver.url("/strange"))
    webhooks = PostgresWebhooks(database)
    await webhooks.change_secret(hook.id, secrets.seal("whsec_no base64"))
    with capture_logs() as logs:
        sent = await webhooks.ping(hook.id)
        async with asyncio.timeout(10):
            while not (await webhooks.delivery(sent.id)).error:
                await asyncio.sleep(0.02)
    assert (await webhooks.delivery(sent.id)).error == "a fault of the sender: see its log"
    assert [line["delivery"] for line in logs if line["event"] == "webhook_fault"] == [str(sent.id)]
    other, _ = await subscribe(database, secrets, account.id, url=receiver.url("/well"))
    await webhooks.ping(other.id)
    await receiver.until(lambda one: one.came["/well"] == 1)


async def test_one_that_hangs_delays_no_other(
    database: Database, secrets: Keys, account: Account, receiver: Receiver, delivering: None
) -> None:
    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    receiver.behaviours["/hangs"] = hangs
    before = telemetry.WEBHOOK_DELIVERIES.labels(outcome="retried")._value.get()
    await subscribe(database, secrets, account.id, url=receiver.url("/hangs"))
    await PostgresOutbox(database).emit(*(event(account, f"lane {number}") for number in range(200)))
    await receiver.until(lambda one: one.came["/hangs"] > 0)
    await subscribe(database, secrets, account.id, url=receiver.url("/well"))
    await PostgresOutbox(database).emit(event(account))
    await receiver.until(lambda one: one.came["/well"] == 1)
    async with asyncio.timeout(15):
        while telemetry.WEBHOOK_DELIVERIES.labels(outcome="retried")._value.get() == before:
            await asyncio.sleep(0.02)


async def test_slow_receivers_of_one_account_leave_places_to_the_others(
    database: Database, secrets: Keys, tenants: PostgresTenants, account: Account, receiver: Receiver
) -> None:
    there, most, go_on = 0, 0, asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        nonlocal there, most
        there += 1
        most = max(most, there)
        await go_on.wait()
        there -= 1
        return web.Response()

    other = await provision.create_account(tenants, AccountFields("other", "EUR", "UTC"))
    for number in range(20):
        receiver.behaviours[f"/{number}"] = slow
        await subscribe(database, secrets, account.id, url=receiver.url(f"/{number}"))
    await PostgresOutbox(database).emit(*(event(account, f"lane {number}") for number in range(20)))
    async with running(Deliverer(PostgresDeliveries(database), secrets.unseal, private=True).run()):
        await receiver.until(lambda _: there == MOST_OF_ACCOUNT)
        await subscribe(database, secrets, other.id, url=receiver.url("/well"))
        await PostgresOutbox(database).emit(*(event(other, f"lane {number}") for number in range(50)))
        await receiver.until(lambda one: one.came["/well"] == 50)
        assert there == most == MOST_OF_ACCOUNT
        go_on.set()
        await settled(database)
    assert most == MOST_OF_ACCOUNT


async def test_what_a_killed_process_held_is_sent_by_another(
    database: Database, url: str, secrets: Keys, account: Account, receiver: Receiver
) -> None:
    """At least once: killed between sending and noting it, again and again."""
    seen: list[int] = []

    async def kills(request: web.Request) -> web.Response:
        if len(seen) < 3 and sender is not None:
            seen.append(json.loads(await request.read())["data"]["n"])
            sender.kill()
            await sender.wait()
        return web.Response()

    receiver.behaviours["/hook"] = kills
    await subscribe(database, secrets, account.id, url=receiver.url("/hook"))
    await PostgresOutbox(database).emit(*(event(account, n=number) for number in range(10)))
    sender: asyncio.subprocess.Process | None = None
    try:
        for _ in range(3):
            sender = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.webhooks.sender", url, SECRET)
            await asyncio.wait_for(sender.wait(), 20)
        sender = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.webhooks.sender", url, SECRET)
        await settled(database)
    finally:
        if sender is not None and sender.returncode is None:
            sender.kill()
            await sender.wait()
    came = [json.loads(message.body)["data"]["n"] for message in receiver.messages]
    assert len(seen) == 3
    assert len(came) >= 13
    assert list(dict.fromkeys(came)) == list(range(10))
    assert came == sorted(came)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lanes=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    failing=st.floats(0, 0.6),
    hooks=st.integers(1, 3),
    senders=st.integers(1, 3),
    seed=st.integers(),
)
async def test_lanes_keep_their_order_whatever_fails(
    database: Database,
    secrets: Keys,
    account: Account,
    receiver: Receiver,
    lanes: list[int],
    failing: float,
    hooks: int,
    senders: int,
    seed: int,
) -> None:
    """Also with several daemons at once. A receiver that knows an id already ignores it; what is left is in order."""
    chance = random.Random(seed)
    got: dict[str, list[dict[str, object]]] = defaultdict(list)

    async def moody(request: web.Request) -> web.Response:
        if chance.random() < failing:
            return web.Response(status=chance.choice((400, 404, 429, 500, 503)))
        got[request.path].append(json.loads(await request.read()))
        if chance.random() < failing / 2:
            assert request.transport
            request.transport.abort()  # received, but the sender cannot know
        return web.Response()

    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM webhooks"))
    made: list[Webhook] = []
    for number in range(hooks):
        receiver.behaviours[f"/{number}"] = moody
        hook, _ = await subscribe(database, secrets, account.id, url=receiver.url(f"/{number}"))
        made.append(hook)
    told = [event(account, f"lane {lane}", of=lane, n=number) for number, lane in enumerate(lanes)]
    async with HttpCourier(private=True, answer_s=2.0) as courier, contextlib.AsyncExitStack() as stack:
        for _ in range(senders):
            store = Hasty(PostgresDeliveries(database))
            work = deliver_webhooks(
                store, courier, secrets.unseal, lambda ended: None, lambda error: None, lambda attempt, error: None
            )
            await stack.enter_async_context(running(work))
        for start in range(0, len(told), 7):
            await PostgresOutbox(database).emit(*told[start : start + 7])
        await settled(database, 60.0)
    for number in range(hooks):
        heard = {body["id"]: body["data"] for body in got[f"/{number}"]}
        assert heard.keys() == {str(one.id) for one in told}
        for lane in set(lanes):
            of_lane = [data["n"] for data in heard.values() if data["of"] == lane]  # type: ignore[index]
            assert of_lane == sorted(of_lane)
