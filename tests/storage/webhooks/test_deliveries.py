"""Deliveries are claimed once, in the order of their lanes, and log what became of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from bridge.domain.errors import Conflict, NotFound, Stale
from bridge.domain.provisioning.changes import AccountFields
from bridge.domain.provisioning.tenants import Account
from bridge.domain.webhooks.event import DeliveryState, Event, EventKind, Webhook, WebhookState
from bridge.domain.webhooks.retry import Reply
from bridge.storage import keys
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.deliveries import CLAIM, PostgresDeliveries
from bridge.storage.webhooks.outbox import PostgresOutbox
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.webhooks import keep_webhooks
from bridge.usecases.webhooks.ports import ClaimLimits, DeliveryAttempt, WebhookUpdate
from tests.storage.webhooks.webhook_world import subscribe

OK = Reply(200)
BROKEN = Reply(500, "answer 500")
ALL = ClaimLimits(100, 8, 100)


@pytest.fixture
def deliveries(database: Database) -> PostgresDeliveries:
    return PostgresDeliveries(database)


@pytest.fixture
def webhooks(database: Database) -> PostgresWebhooks:
    return PostgresWebhooks(database)


@pytest.fixture
async def hook(database: Database, secrets: Keys, account: Account) -> Webhook:
    made, _ = await subscribe(database, secrets, account.id)
    return made


async def tell(database: Database, account_id: UUID | None, *lanes: str) -> None:
    """One event a lane, in this order."""
    made = [
        Event(uuid4(), EventKind.PARTICIPANT_JOINED, datetime.now(UTC), account_id, lane, {"n": number})
        for number, lane in enumerate(lanes)
    ]
    await PostgresOutbox(database).emit(*made)


async def claimed(
    deliveries: PostgresDeliveries, most: int = 100, without: Sequence[UUID] = ()
) -> list[DeliveryAttempt]:
    """Claim everything that can be claimed now, by as many claims as it takes."""
    found: list[DeliveryAttempt] = []
    while True:
        here = await deliveries.claim(ClaimLimits(most, 8, 100, without))
        found += here.attempts
        if not here.more:
            return sorted(found, key=lambda attempt: attempt.lane)


async def sql(database: Database, statement: str, **given: Any) -> Any:
    async with database.transaction() as connection:
        return (await connection.execute(text(statement), given)).scalar()


async def later(database: Database, by: timedelta) -> None:
    """Let time pass, for all that waits."""
    await sql(
        database,
        "UPDATE webhook_deliveries SET next_at = next_at - CAST(:by AS interval), "
        "created_at = created_at - CAST(:by AS interval) RETURNING 1",
        by=by,
    )


async def test_the_first_of_each_lane_is_claimed_and_those_behind_it_wait(
    database: Database, deliveries: PostgresDeliveries, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "a", "b", "a", "c")
    first = await claimed(deliveries)
    assert [(attempt.lane, attempt.number) for attempt in first] == [("a", 1), ("b", 1), ("c", 1)]
    assert '"n": 0' in first[0].body.decode()
    assert await claimed(deliveries) == []
    await deliveries.settle(first[0], OK, None)
    [second] = await claimed(deliveries)
    assert (second.lane, '"n": 1' in second.body.decode()) == ("a", True)


async def test_one_that_fails_holds_back_its_own_lane_alone(
    database: Database, deliveries: PostgresDeliveries, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "a", "b", "b")
    a, b = await claimed(deliveries)
    await deliveries.settle(a, BROKEN, 100.0)
    await deliveries.settle(b, OK, None)
    [b] = await claimed(deliveries)
    await deliveries.settle(b, OK, None)
    assert await claimed(deliveries) == []
    await later(database, timedelta(seconds=101))
    [again] = await claimed(deliveries)
    assert (again.event_id, again.number) == (a.event_id, 2)
    assert again.body == a.body
    await deliveries.settle(again, BROKEN, None)
    [behind] = await claimed(deliveries)
    assert (behind.lane, behind.number) == ("a", 1)


async def test_a_claim_that_is_never_settled_is_made_again(database: Database, hook: Webhook) -> None:
    short = PostgresDeliveries(database, lease=timedelta(seconds=0.2))
    await tell(database, hook.account_id, "a", "a")
    [dead] = await claimed(short)
    async with asyncio.timeout(10):
        while not (found := await claimed(short)):
            await asyncio.sleep(0.02)
    assert [(one.delivery_id, one.number) for one in found] == [(dead.delivery_id, 2)]
    # What the dead one sends after all settles nothing, and calls nobody.
    await short.settle(dead, BROKEN, None)
    assert await sql(database, "SELECT state FROM webhook_deliveries WHERE id = :id", id=dead.delivery_id) == "pending"


async def test_many_who_claim_share_nothing(database: Database, hook: Webhook) -> None:
    await tell(database, hook.account_id, *(f"lane {number % 40}" for number in range(80)))
    parts = await asyncio.gather(*(claimed(PostgresDeliveries(database)) for _ in range(6)))
    ids = [attempt.delivery_id for part in parts for attempt in part]
    assert len(ids) == len(set(ids)) == 40


async def test_what_one_webhook_has_waiting_keeps_no_other_waiting(
    database: Database, deliveries: PostgresDeliveries, hook: Webhook, secrets: Keys, account: Account
) -> None:
    await tell(database, account.id, *(f"lane {number}" for number in range(1000)))
    other, _ = await subscribe(database, secrets, account.id)
    await tell(database, account.id, "lane 0", "lane 1")
    here = await deliveries.claim(ALL)
    assert sorted(str(attempt.webhook_id) for attempt in here.attempts) == sorted(
        [str(hook.id)] * 8 + [str(other.id)] * 2
    )
    assert (await deliveries.claim(ClaimLimits(100, 8, 100, [hook.id]))).attempts == []
    assert len((await deliveries.claim(ClaimLimits(3, 8, 100))).attempts) == 3


async def test_an_account_gets_no_more_than_its_places(
    database: Database, deliveries: PostgresDeliveries, tenants: PostgresTenants, secrets: Keys, account: Account
) -> None:
    other = await provision.create_account(tenants, AccountFields("other", "EUR", "UTC"))
    owners: dict[UUID, UUID | None] = {}
    for owner in (account.id, other.id, None):
        for _ in range(5):
            hook, _ = await subscribe(database, secrets, owner)
            owners[hook.id] = owner
    for owner in (account.id, other.id):
        await tell(database, owner, *(f"lane {number}" for number in range(20)))
    for _ in range(5):
        await subscribe(database, secrets, account.id)  # with nothing due, they take no places

    async def counts(limits: ClaimLimits) -> Counter[UUID | None]:
        attempts = (await deliveries.claim(limits)).attempts
        assert all(attempt.account_id == owners[attempt.webhook_id] for attempt in attempts)
        return Counter(attempt.account_id for attempt in attempts)

    assert await counts(ClaimLimits(100, 8, 20)) == {account.id: 20, other.id: 20, None: 20}
    left = {account.id: 0, other.id: 3, None: 9}
    assert await counts(ClaimLimits(100, 8, 20, left=left)) == {other.id: 3, None: 9}
    assert await counts(ClaimLimits(7, 8, 20, left={account.id: -1, other.id: 0, None: 0})) == {}


async def test_the_log(
    database: Database, deliveries: PostgresDeliveries, webhooks: PostgresWebhooks, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "b", "c")
    a, b, c = await claimed(deliveries)
    await deliveries.settle(a, OK, None)
    await deliveries.settle(b, BROKEN, 60.0)
    await deliveries.settle(c, Reply(None, "no answer within 10 s"), None)
    log = {one.id: one for one in await webhooks.deliveries(hook.id, None, None, 10)}
    told = [
        (log[each.delivery_id].state, log[each.delivery_id].status, log[each.delivery_id].error) for each in (a, b, c)
    ]
    assert told == [("delivered", 200, ""), ("pending", 500, "answer 500"), ("failed", None, "no answer within 10 s")]
    assert log[a.delivery_id].delivered_at is not None
    waits = log[b.delivery_id].next_at
    assert waits is not None
    assert timedelta(seconds=50) < waits - datetime.now(UTC) < timedelta(seconds=70)
    assert [one.id for one in await webhooks.deliveries(hook.id, DeliveryState.FAILED, None, 10)] == [c.delivery_id]
    assert await webhooks.deliveries(hook.id, None, "passcode.created", 10) == []
    newest = await webhooks.deliveries(hook.id, None, None, 2)
    rest = await webhooks.deliveries(hook.id, None, None, 2, newest[-1].id)
    assert [one.payload["data"]["n"] for one in (*newest, *rest)] == [2, 1, 0]


async def test_an_event_is_redelivered_under_its_own_id_behind_what_waits(
    database: Database, deliveries: PostgresDeliveries, webhooks: PostgresWebhooks, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "a")
    [first] = await claimed(deliveries)
    with pytest.raises(Conflict):
        await webhooks.redeliver(first.delivery_id)
    await deliveries.settle(first, OK, None)
    made = await webhooks.redeliver(first.delivery_id)
    assert (made.event_id, made.state, made.attempts) == (first.event_id, "pending", 0)
    assert made.id != first.delivery_id
    [second] = await claimed(deliveries)
    assert '"n": 1' in second.body.decode()
    await deliveries.settle(second, OK, None)
    [again] = await claimed(deliveries)
    assert (again.delivery_id, again.event_id, again.body) == (made.id, first.event_id, first.body)
    with pytest.raises(NotFound):
        await webhooks.redeliver(uuid4())


async def test_a_receiver_that_is_gone_is_left_alone_until_its_owner_says_so(
    database: Database, deliveries: PostgresDeliveries, webhooks: PostgresWebhooks, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "b")
    a, b = await claimed(deliveries)
    await deliveries.settle(a, Reply(410, "answer 410"), 50.0)
    await deliveries.settle(b, Reply(410, "answer 410"), 50.0)
    paused = await webhooks.webhook(hook.id)
    assert (paused.state, paused.version) == (WebhookState.PAUSED, 2)
    actions = "SELECT string_agg(action || ' by ' || actor, ', ') FROM audit_log WHERE action = 'webhook.paused'"
    assert await sql(database, actions) == "webhook.paused by webhooks"
    await tell(database, hook.account_id, "c")
    await later(database, timedelta(minutes=1))
    assert await claimed(deliveries) == []
    assert (await deliveries.backlog()).count == 0
    with pytest.raises(Conflict):
        await webhooks.ping(hook.id)
    await webhooks.change(hook.id, WebhookUpdate(state=WebhookState.ACTIVE))
    assert [attempt.lane for attempt in await claimed(deliveries)] == ["a", "b", "c"]


async def test_what_waits_and_what_is_forgotten(
    database: Database, deliveries: PostgresDeliveries, webhooks: PostgresWebhooks, hook: Webhook
) -> None:
    await tell(database, hook.account_id, "a", "b")
    a, _ = await claimed(deliveries)
    await later(database, timedelta(hours=1))
    waiting = await deliveries.backlog()
    assert waiting.count == 2
    assert 3600 <= waiting.oldest_s < 3700
    await deliveries.settle(a, OK, None)
    await webhooks.change(hook.id, WebhookUpdate(state=WebhookState.PAUSED))
    await deliveries.tidy()
    assert [one.state for one in await webhooks.deliveries(hook.id, None, None, 9)] == ["pending", "delivered"]
    await later(database, timedelta(days=3))
    await deliveries.tidy()
    assert [one.state for one in await webhooks.deliveries(hook.id, None, None, 9)] == ["failed", "delivered"]
    await later(database, timedelta(days=27))
    await deliveries.tidy()
    assert await webhooks.deliveries(hook.id, None, None, 9) == []
    assert (await deliveries.backlog()).count == 0


async def test_a_webhook_is_changed_only_by_who_has_seen_it(webhooks: PostgresWebhooks, hook: Webhook) -> None:
    changed = await webhooks.change(hook.id, WebhookUpdate(label="Books"), expected=1)
    assert (changed.label, changed.version, changed.url) == ("Books", 2, hook.url)
    for stale in (
        webhooks.change(hook.id, WebhookUpdate(label="x"), expected=1),
        webhooks.remove(hook.id, expected=1),
    ):
        with pytest.raises(Stale):
            await stale
    await webhooks.remove(hook.id, expected=2)
    for gone in (
        webhooks.webhook(hook.id),
        webhooks.change(hook.id, WebhookUpdate(label="x")),
        webhooks.remove(hook.id),
    ):
        with pytest.raises(NotFound):
            await gone


async def test_there_are_twenty_at_most_however_many_ask_at_once(
    database: Database, secrets: Keys, account: Account, webhooks: PostgresWebhooks
) -> None:
    asked = await asyncio.gather(*(subscribe(database, secrets, account.id) for _ in range(25)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in asked) == 5
    assert len(await webhooks.webhooks(account.id, 100)) == 20
    await subscribe(database, secrets, None)
    with pytest.raises(NotFound):
        await subscribe(database, secrets, uuid4())


async def test_secrets_are_sealed_and_sealed_anew(
    database: Database, webhooks: PostgresWebhooks, hook: Webhook
) -> None:
    old, new = "5eed" * 16, "feed" * 16
    _, secret = await keep_webhooks.rotate_secret(webhooks, keys.derive(old), hook.id, timedelta(hours=1))
    sealed = await webhooks.secret(hook.id)
    assert secret.encode() not in sealed
    assert await keep_webhooks.renew_secrets(webhooks, keys.derive(new, old)) == 1
    kept = keys.derive(new).unseal(await webhooks.secret(hook.id))
    assert kept == keys.derive(old).unseal(sealed)
    assert kept.split(" ")[0] == secret
    # Nobody's change is overwritten by what was read before it.
    await webhooks.seal_anew(hook.id, sealed, b"stale")
    assert keys.derive(new).unseal(await webhooks.secret(hook.id)) == kept


async def test_what_is_due_is_found_by_an_index(database: Database, hook: Webhook) -> None:
    """The query runs four times a second, so it must be fast however many deliveries wait for later."""
    asked: dict[str, Any] = {"most": 9, "of_webhook": 9, "of_account": 9, "without": [], "accounts": [], "left": []}
    asked |= {"lease": timedelta(1), "look": timedelta(1)}
    async with database.transaction() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = (await connection.execute(text(f"EXPLAIN {CLAIM.text}"), asked)).scalars().all()
    found = [line for line in plan if "Index Cond" in line and "next_at" in line]
    assert len(found) == 2
    assert all("statement_timestamp()" in line for line in found)
