"""Quotas hold over requests at the same time, and the counts behind them are those of the tables."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bridge.domain.errors import BridgeError, Conflict
from bridge.domain.provisioning.changes import (
    AccountChanges,
    AccountFields,
    RoomChanges,
    RoomFields,
    SubAccountChanges,
    SubAccountFields,
)
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Account, State, SubAccount
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning import provision, provision_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import Keys
from tests.storage.conftest import NOVEMBER

COUNTED = """
SELECT 'sub_accounts' AS quota, count(*) AS used FROM sub_accounts WHERE state <> 'closed'
UNION ALL SELECT 'rooms', count(*) FROM rooms JOIN sub_accounts ON sub_accounts.id = sub_account_id
    WHERE rooms.state = 'active' AND sub_accounts.state <> 'closed'
UNION ALL SELECT 'passcodes', count(*) FROM passcodes WHERE state = 'live'
UNION ALL SELECT 'known_callers', count(*) FROM known_callers WHERE removed_at IS NULL
"""


async def usage(database: Database) -> dict[str, int]:
    asked = "SELECT quota, sum(used) AS used FROM account_usage GROUP BY quota"
    async with database.transaction() as connection:
        kept = {row.quota: int(row.used) for row in await connection.execute(text(asked))}
        counted = {row.quota: row.used for row in await connection.execute(text(COUNTED))}
    assert Counter(kept) == Counter(counted)
    return counted


async def outcomes(requests: list[Awaitable[Any]]) -> Counter[str]:
    """What became of requests at the same time: the names of errors, and `done`."""
    done = await asyncio.gather(*requests, return_exceptions=True)
    for one in done:
        assert not isinstance(one, BaseException) or isinstance(one, Conflict), one
    return Counter(type(one).__name__ if isinstance(one, Conflict) else "done" for one in done)


async def test_no_quota_is_exceeded_by_requests_at_once(
    database: Database, tenants: PostgresTenants, secrets: Keys, account: Account, sub_account: SubAccount
) -> None:
    owner, room = sub_account.id, sub_account.rooms[0].id
    webhooks = PostgresWebhooks(database)
    quota = AccountChanges(max_sub_accounts=3, max_rooms=8, max_passcodes=25, max_known_callers=5, max_webhooks=4)
    await tenants.change_account(account.id, quota)

    def seat(number: int) -> SubAccountFields:
        return SubAccountFields(f"u{number}", "x")

    made = await outcomes([provision.create_sub_account(tenants, secrets, account.id, seat(n)) for n in range(8)])
    assert made == {"done": 2, "Conflict": 6}
    made = await outcomes([provision.add_room(tenants, secrets, owner, RoomFields("x")) for _ in range(8)])
    assert made == {"done": 5, "Conflict": 3}
    made = await outcomes([provision.add_passcode(tenants, secrets, room, Role.GUEST) for _ in range(12)])
    assert made == {"done": 9, "Conflict": 3}
    callers = [provision.add_known_caller(tenants, owner, f"+49301234{n}", "x") for n in range(50, 60)]
    assert await outcomes([*callers]) == {"done": 5, "Conflict": 5}
    hooks = [webhooks.add(account.id, "https://example.com", ("*",), "", b"s") for _ in range(9)]
    assert await outcomes([*hooks]) == {"done": 4, "Conflict": 5}
    assert await usage(database) == {"sub_accounts": 3, "rooms": 8, "passcodes": 25, "known_callers": 5}
    for number in range(20):
        await webhooks.add(None, f"https://example.com/{number}", ("*",), "", b"s")
    with pytest.raises(Conflict, match="the operator has 20 webhooks"):
        await webhooks.add(None, "https://example.com", ("*",), "", b"s")


async def test_a_bulk_that_would_exceed_a_quota_makes_nothing(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    room = sub_account.rooms[0].id
    await tenants.change_account(sub_account.account_id, AccountChanges(max_passcodes=10))
    with pytest.raises(Conflict, match=r"may have 10 live passcodes \(max_passcodes\), and would have 11"):
        await provision_passcodes.add_passcodes(tenants, secrets, room, [WantedCode(Role.GUEST)] * 9)
    assert (await usage(database))["passcodes"] == 2
    await provision_passcodes.add_passcodes(tenants, secrets, room, [WantedCode(Role.GUEST)] * 8)


async def test_who_has_more_than_a_new_quota_keeps_it_and_may_rotate(
    database: Database, tenants: PostgresTenants, secrets: Keys, account: Account, sub_account: SubAccount
) -> None:
    await provision.add_known_caller(tenants, sub_account.id, "+493012345", "Ada")
    await tenants.change_account(account.id, AccountChanges(max_passcodes=1, max_rooms=1, max_sub_accounts=1))
    host = sub_account.rooms[0].passcodes[0]
    new = await provision_passcodes.rotate_passcode(tenants, secrets, host.id, NOVEMBER)
    with pytest.raises(Conflict, match="max_passcodes"):
        # For a while both would be live.
        await provision_passcodes.rotate_passcode(tenants, secrets, new.id, NOVEMBER, provision_passcodes.OVERLAP_MOST)
    await provision.add_known_caller(tenants, sub_account.id, "+493012346", "Bo")
    assert await usage(database) == {"sub_accounts": 1, "rooms": 1, "passcodes": 2, "known_callers": 2}
    # What is closed makes room.
    await tenants.change_sub_account(sub_account.id, SubAccountChanges(state=State.CLOSED))
    await tenants.change_account(account.id, AccountChanges(max_passcodes=2))
    await provision.create_sub_account(tenants, secrets, account.id, SubAccountFields("2", "x"))


STEPS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), min_size=5, max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_the_counts_are_those_of_the_tables(
    database: Database, tenants: PostgresTenants, secrets: Keys, steps: list[tuple[int, int]]
) -> None:
    accounts = [await provision.create_account(tenants, AccountFields("x", "EUR", "UTC")) for _ in range(2)]
    owners: list[SubAccount] = []
    for count, (step, number) in enumerate(steps):
        if step < 3 or not owners:
            new = [SubAccountFields(f"{count}-{each}", "x") for each in range(number + 1)]
            owners += await provision.create_sub_accounts(tenants, secrets, accounts[number % 2].id, new)
            continue
        owner = owners[number % len(owners)]
        try:
            await _change(tenants, secrets, owner, step, f"+49301{count:04}")
        except BridgeError:
            continue  # closed or removed by an earlier step
    await usage(database)
    for account in accounts:
        await tenants.change_account(account.id, AccountChanges(state=State.CLOSED))
    assert (await usage(database))["passcodes"] == 0


async def _change(tenants: PostgresTenants, secrets: Keys, owner: SubAccount, step: int, number: str) -> None:
    room = owner.rooms[0]
    match step:
        case 3:
            await tenants.change_sub_account(owner.id, SubAccountChanges(state=State.CLOSED))
        case 4:
            await tenants.change_room(room.id, RoomChanges(state=State.CLOSED))
        case 5:
            await tenants.remove_sub_account(owner.id)
        case 6:
            await tenants.revoke_passcode(room.passcodes[0].id)
        case 7:
            await provision.add_room(tenants, secrets, owner.id, RoomFields("x"))
        case _:
            caller = await provision.add_known_caller(tenants, owner.id, number, "x")
            if number.endswith("2"):
                await tenants.remove_known_caller(caller.id)
