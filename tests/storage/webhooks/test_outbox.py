"""Events are committed with the change they report, or not at all, and reach the webhooks that ask for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from bridge.domain.provisioning.changes import AccountFields
from bridge.domain.provisioning.tenants import Account, Passcode, State, SubAccount
from bridge.domain.webhooks.event import Event, EventKind
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning import events
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks import outbox
from bridge.storage.webhooks.outbox import PostgresOutbox
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.storage.statements import counted
from tests.storage.webhooks.webhook_world import subscribe, types, waiting


def event(kind: EventKind, account_id: UUID | None, lane: str = "lane", **data: object) -> Event:
    return Event(uuid4(), kind, datetime.now(UTC), account_id, lane, data)


@pytest.fixture
async def other(tenants: PostgresTenants) -> Account:
    return await provision.create_account(tenants, AccountFields("Other", "EUR", "Europe/Berlin"))


async def test_each_hears_what_it_asked_for_of_its_own_account(
    database: Database, secrets: Keys, account: Account, other: Account
) -> None:
    everything, _ = await subscribe(database, secrets, account.id)
    codes, _ = await subscribe(database, secrets, account.id, "passcode.created", "passcode.revoked")
    theirs, _ = await subscribe(database, secrets, other.id)
    operators, _ = await subscribe(database, secrets, None)
    await PostgresOutbox(database).emit(
        event(EventKind.PASSCODE_REVOKED, account.id),
        event(EventKind.SUB_ACCOUNT_CLOSED, account.id),
        event(EventKind.PASSCODE_ROTATED, other.id),
        event(EventKind.GUESSING_DETECTED, None),
    )
    assert types(await waiting(database, everything)) == ["passcode.revoked", "sub_account.closed"]
    assert types(await waiting(database, codes)) == ["passcode.revoked"]
    assert types(await waiting(database, theirs)) == ["passcode.rotated"]
    assert types(await waiting(database, operators)) == [
        "passcode.revoked",
        "sub_account.closed",
        "passcode.rotated",
        "guessing.detected",
    ]


async def test_events_keep_the_order_they_were_emitted_in(database: Database, secrets: Keys, account: Account) -> None:
    hook, _ = await subscribe(database, secrets, account.id)
    await PostgresOutbox(database).emit(*(event(EventKind.SUB_ACCOUNT_UPDATED, account.id, n=n) for n in range(500)))
    assert [payload["data"]["n"] for payload in await waiting(database, hook)] == list(range(500))


async def test_what_is_rolled_back_is_told_to_nobody(
    database: Database, secrets: Keys, account: Account, sub_account: SubAccount
) -> None:
    hook, _ = await subscribe(database, secrets, account.id)

    async def change(fails: bool) -> None:
        async with database.unit_of_work(), database.transaction() as connection:
            await connection.execute(text("UPDATE sub_accounts SET name = 'New'"))
            await events.sub_account_changed(connection, State.ACTIVE, sub_account)
            if fails:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        await change(fails=True)
    assert await waiting(database, hook) == []
    await change(fails=False)
    [told] = await waiting(database, hook)
    assert (told["type"], told["account_id"]) == ("sub_account.updated", str(account.id))
    assert told["data"]["id"] == str(sub_account.id)


async def test_a_sub_account_is_told_with_its_codes_and_no_digits(
    database: Database, secrets: Keys, account: Account, sub_account: SubAccount
) -> None:
    hook, _ = await subscribe(database, secrets, account.id)
    host, guest = sub_account.rooms[0].passcodes
    assert host.digits
    assert guest.digits
    rotated = replace(guest, id=uuid4(), replaces=guest.id)
    async with database.transaction() as connection:
        await events.sub_accounts_created(connection, [sub_account])
        await events.passcodes_created(connection, account.id, sub_account.id, [rotated, host])
        await events.passcodes_revoked(connection, account.id, sub_account.id, [guest])
        for before, after in ((State.ACTIVE, State.SUSPENDED), (State.SUSPENDED, State.ACTIVE)):
            await events.sub_account_changed(connection, before, replace(sub_account, state=after))
        closed = replace(sub_account, state=State.CLOSED)
        await events.sub_account_changed(connection, State.SUSPENDED, closed)
    told = await waiting(database, hook)
    assert types(told) == [
        *("sub_account.created", "passcode.created", "passcode.created"),
        *("passcode.rotated", "passcode.created", "passcode.revoked"),
        *("sub_account.suspended", "sub_account.resumed", "sub_account.closed"),
    ]
    assert [one["id"] for one in told[0]["data"]["rooms"][0]["passcodes"]] == [str(host.id), str(guest.id)]
    assert told[3]["data"]["replaces"] == str(guest.id)
    assert told[6]["data"]["state"] == "suspended"
    assert host.digits not in str(told)
    assert guest.digits not in str(told)


async def test_events_of_thousands_of_codes_take_a_handful_of_statements(
    database: Database, secrets: Keys, account: Account, sub_account: SubAccount
) -> None:
    """However many codes there are, and whether a webhook asks for them or not."""
    codes = [replace(sub_account.rooms[0].passcodes[0], id=uuid4()) for _ in range(5000)]

    async def statements_for(some: Sequence[Passcode]) -> int:
        with counted(database) as statements:
            async with database.transaction() as connection:
                await events.passcodes_created(connection, account.id, sub_account.id, some)
        return len(statements)

    assert await statements_for(codes) == await statements_for(codes[:1])
    hook, _ = await subscribe(database, secrets, account.id, "passcode.created")
    alone = await statements_for(codes[:1])
    assert await statements_for(codes) == alone
    ids = [each["data"]["id"] for each in await waiting(database, hook)]
    assert ids == [str(code.id) for code in [codes[0], *codes]]


async def test_a_webhook_that_is_removed_meanwhile_refuses_nothing(
    database: Database, secrets: Keys, account: Account
) -> None:
    hook, _ = await subscribe(database, secrets, account.id)
    webhooks = PostgresWebhooks(database)
    async with database.transaction() as connection:
        # Removed, but not committed: whoever tells something now has to wait, and finds it gone.
        await connection.execute(text("DELETE FROM webhooks"))
        telling = asyncio.create_task(PostgresOutbox(database).emit(event(EventKind.PASSCODE_REVOKED, account.id)))
        async with database.transaction() as watching:
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            async with asyncio.timeout(10):
                while not await watching.scalar(waits):
                    await asyncio.sleep(0.01)
    await telling
    assert await webhooks.webhooks(account.id, 10) == []
    assert await waiting(database, hook) == []


async def test_nobody_listens(database: Database, secrets: Keys, account: Account, other: Account) -> None:
    await subscribe(database, secrets, other.id)
    await subscribe(database, secrets, account.id, "passcode.created")
    async with database.transaction() as connection:
        assert not await outbox.subscriptions(connection, {account.id}, [EventKind.PARTICIPANT_JOINED])
        assert await outbox.subscriptions(connection, {account.id}, [EventKind.PASSCODE_CREATED])
        assert await outbox.subscriptions(connection, {other.id, None}, [EventKind.PARTICIPANT_JOINED])
        assert not await outbox.subscriptions(connection, {None}, [EventKind.GUESSING_DETECTED])
