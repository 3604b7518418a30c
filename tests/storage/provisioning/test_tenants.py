"""Tenants in Postgres: what is unique stays so, whoever writes at the same time."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from bridge.domain.errors import BridgeError, Conflict, Invalid, NotFound
from bridge.domain.provisioning.changes import AccessNumberFields, AccountFields, SubAccountFields
from bridge.domain.provisioning.passcode import Role, digest
from bridge.domain.provisioning.tenants import Account, NumberKind, Passcode, SubAccount, SubAccountKind
from bridge.storage import keys
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.billing.add_tariff import add_tariff
from bridge.usecases.metering.ports import Position
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import CodeTaken, Keys, NewCode
from tests.storage.conftest import NOVEMBER, stay_of
from tests.storage.metering.test_commit import SWITCH_STATE, closed


def code(secrets: Keys, digits: str) -> NewCode:
    beginnings = tuple(digest(digits[:length], secrets.lookup) for length in range(1, len(digits) + 1))
    return NewCode(Role.GUEST, beginnings[-1], len(digits), secrets.seal(digits), beginnings, digits)


async def put(tenants: PostgresTenants, room_id: UUID, new: NewCode) -> Passcode:
    return (await tenants.add_passcodes(await tenants.code_site(room_id), [new]))[0]


async def test_a_sub_account_comes_with_a_room_and_codes_that_can_be_shown_again(
    tenants: PostgresTenants, secrets: Keys, account: Account
) -> None:
    made = await provision.create_sub_account(
        tenants, secrets, account.id, SubAccountFields("1001", "Ada Hale", SubAccountKind.PROJECT)
    )
    [room] = made.rooms
    assert (room.name, made.kind, made.state) == ("Ada Hale", SubAccountKind.PROJECT, "active")
    assert [passcode.role for passcode in room.passcodes] == [Role.HOST, Role.GUEST]
    again = await tenants.sub_account(made.id)
    assert [passcode.digits for passcode in again.rooms[0].passcodes] == [None, None]
    for passcode in room.passcodes:
        assert passcode.digits == await provision.reveal(tenants, secrets, passcode.id)
        assert await tenants.passcode(passcode.id) in again.rooms[0].passcodes


async def test_what_is_not_there_is_said_so(tenants: PostgresTenants, tariffs: PostgresTariffs, secrets: Keys) -> None:
    nobody = uuid4()
    for asked in (
        tenants.account(nobody),
        tenants.sub_account(nobody),
        tenants.sub_accounts(nobody, 10),
        tenants.passcode(nobody),
        tenants.passcodes(nobody, 10),
        tenants.sealed(nobody),
        tenants.revoke_passcode(nobody),
        tariffs.tariff_versions(nobody),
        provision.create_sub_account(tenants, secrets, nobody, SubAccountFields("1", "x")),
        provision.add_passcode(tenants, secrets, nobody, Role.GUEST),
        add_tariff(tenants, tariffs, nobody, NOVEMBER, Decimal(1)),
    ):
        with pytest.raises(NotFound):
            await asked


async def test_user_ids_are_unique_within_an_account_only(
    tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    with pytest.raises(Conflict, match="'1001' is taken"):
        await provision.create_sub_account(tenants, secrets, sub_account.account_id, SubAccountFields("1001", "Other"))
    assert len(await tenants.sub_accounts(sub_account.account_id, 10)) == 1
    assert (await tenants.code_space()).live == {9: 2}
    other = await provision.create_account(tenants, AccountFields("Other", "USD", "UTC"))
    await provision.create_sub_account(tenants, secrets, other.id, SubAccountFields("1001", "Other"))


async def test_access_numbers_are_unique(tenants: PostgresTenants) -> None:
    made = await provision.add_access_number(tenants, AccessNumberFields("+1 800 555 0100", NumberKind.TOLL_FREE))
    with pytest.raises(Conflict):
        await provision.add_access_number(tenants, AccessNumberFields("18005550100"))
    assert await tenants.access_numbers(10) == [made]


async def test_lists_come_in_pages_in_order_of_creation(tenants: PostgresTenants) -> None:
    made = [await provision.create_account(tenants, AccountFields(f"a{number}", "EUR", "UTC")) for number in range(7)]
    seen, after = [], None
    while page := await tenants.accounts(3, after):
        seen += page
        after = (page[-1].created_at, page[-1].id)
    assert seen == made


async def test_a_room_keeps_its_revoked_codes_in_its_list_only(
    tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    room = sub_account.rooms[0]
    revoked = await tenants.revoke_passcode(room.passcodes[0].id)
    assert revoked.state == "revoked"
    assert await tenants.revoke_passcode(revoked.id) == revoked
    listed = await tenants.passcodes(room.id, 10)
    assert [passcode.state for passcode in listed] == ["revoked", "live"]
    assert await tenants.passcodes(room.id, 10, (listed[0].created_at, listed[0].id)) == listed[1:]
    assert [found.id for found in (await tenants.sub_account(sub_account.id)).rooms[0].passcodes] == [listed[1].id]
    assert (await tenants.code_space()).live == {9: 1}
    with pytest.raises(Conflict, match="revoked"):
        await provision.reveal(tenants, secrets, revoked.id)


async def test_a_code_that_a_live_one_begins_with_is_not_taken(
    tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    room = sub_account.rooms[0].id
    first = await put(tenants, room, code(secrets, "527193846"))
    for taken in ("527193846", "5271938467", "52719384"):
        with pytest.raises(CodeTaken):
            await put(tenants, room, code(secrets, taken))
    with pytest.raises(Invalid, match="cannot be used"):
        await provision.add_passcode(tenants, secrets, room, Role.GUEST, "527193846")
    await tenants.revoke_passcode(first.id)
    await put(tenants, room, code(secrets, "5271938467"))


async def test_codes_made_at_the_same_time_stay_prefix_free(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    """Everyone wants codes that begin with each other's."""
    room = sub_account.rooms[0].id
    wanted = [f"527193842{tail}" for tail in ("", "4", "46", "461", "5", "51", "7", "70", "701", "9")] * 4

    async def take(digits: str) -> str | None:
        try:
            return (await put(tenants, room, code(secrets, digits))).digits
        except CodeTaken:
            return None

    made = [digits for digits in await asyncio.gather(*map(take, wanted)) if digits]
    assert made
    assert not [(a, b) for i, a in enumerate(made) for j, b in enumerate(made) if i != j and b.startswith(a)]
    space = await tenants.code_space()
    assert sum(space.live.values()) == 2 + len(made)
    async with database.transaction() as connection:
        counted = await connection.execute(
            text("SELECT length, count(*) AS live FROM passcodes WHERE state = 'live' GROUP BY length")
        )
        assert space.live == {row.length: row.live for row in counted}


async def test_many_sub_accounts_at_once(tenants: PostgresTenants, secrets: Keys, account: Account) -> None:
    made = await asyncio.gather(
        *(
            provision.create_sub_account(tenants, secrets, account.id, SubAccountFields(str(number), "x"))
            for number in range(30)
        )
    )
    digits = [passcode.digits for owner in made for passcode in owner.rooms[0].passcodes]
    assert len(set(digits)) == 60
    assert (await tenants.code_space()).live == {9: 16, 10: 44}


async def test_a_tariff_version_never_changes_a_charge(
    database: Database, tenants: PostgresTenants, tariffs: PostgresTariffs, sub_account: SubAccount
) -> None:
    ledger, day = PostgresLedger(database), timedelta(days=1)
    await ledger.commit("node1", None, Position("f", 1), SWITCH_STATE, [closed(stay_of(sub_account))])

    async def add(since_days: int, price: str) -> None:
        await add_tariff(tenants, tariffs, sub_account.account_id, NOVEMBER + since_days * day, Decimal(price))

    async def charged() -> list[Decimal]:
        async with database.transaction() as connection:
            return list((await connection.execute(text("SELECT amount FROM charges ORDER BY joined_at"))).scalars())

    await add(1, "9")
    assert await charged() == []
    await add(-1, "1")
    assert await charged() == [Decimal(2)]
    with pytest.raises(Conflict, match="begins at"):
        await add(-1, "3")
    with pytest.raises(Conflict, match="charged under an earlier tariff version"):
        await add(0, "3")
    await add(-2, "5")
    await add(2, "7")
    assert await charged() == [Decimal(2)]
    found = await tariffs.tariff_versions(sub_account.account_id)
    assert [version.per_minute for version in found] == [5, 1, 9, 7]


async def test_a_tariff_that_comes_while_stays_close_leaves_none_unrated(
    database: Database, tenants: PostgresTenants, tariffs: PostgresTariffs, sub_account: SubAccount
) -> None:
    ledger = PostgresLedger(database)

    async def keep_closing() -> None:
        before = None
        for number in range(60):
            after = Position("f", number)
            stay = stay_of(sub_account, f"node1-1.{number}")
            await ledger.commit("node1", before, after, SWITCH_STATE, [closed(stay)])
            before = after

    async def keep_adding() -> None:
        for day in range(20):
            since = NOVEMBER - timedelta(days=day)
            await add_tariff(tenants, tariffs, sub_account.account_id, since, Decimal(1))

    async with asyncio.TaskGroup() as both:
        both.create_task(keep_closing())
        both.create_task(keep_adding())
    async with database.transaction() as connection:
        counted = await connection.execute(text("SELECT count(*), count(DISTINCT minute_record_id) FROM charges"))
        assert tuple(counted.one()) == (60, 60)


def test_seals_open_under_their_own_secret_only(secrets: Keys) -> None:
    sealed = secrets.seal("123456789")
    assert keys.derive("5eed" * 16).unseal(sealed) == "123456789"
    assert secrets.seal("123456789") != sealed
    assert b"123456789" not in sealed
    for other, what in (("0" * 64, sealed), ("5eed" * 16, sealed[:-1] + b"x"), ("5eed" * 16, b"")):
        with pytest.raises(BridgeError, match="BRIDGE_PASSCODE_KEY"):
            keys.derive(other).unseal(what)
