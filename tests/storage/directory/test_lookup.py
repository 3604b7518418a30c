"""Look-ups of the local directory against a plain model of the rules, however the directory was filled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, ParticipantLimits, RoomOwner
from bridge.domain.phone import CallerNumbers
from bridge.domain.provisioning.changes import AccountFields, SubAccountFields
from bridge.domain.provisioning.passcode import Role, digest, pin_digest
from bridge.domain.provisioning.tenants import Space, SubAccount
from bridge.storage import keys
from bridge.storage.directory.lookup import LocalDirectory
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.storage.directory.directories import (
    SHARED,
    STRANGER,
    admits,
    alone,
    barred,
    dedicated,
    digits_of,
    entry_of,
    execute,
    nowhere,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOW_US = 1_795_608_000_000_000
RING = keys.derive("5eed" * 16, "01d0" * 16)
STATES = ("active", "suspended", "closed")
HOUR = timedelta(hours=1)
CALLER = "493012345"


# --- A world of accounts, and a model of who gets in ----------------------------------------------------------------
@dataclass(frozen=True)
class Code:
    digits: str
    role: Role
    key: int
    valid_from: timedelta | None
    valid_until: timedelta | None
    max_uses: int | None
    uses: int
    pin: str | None
    live: bool


@dataclass(frozen=True)
class Caller:
    number: str
    skips_code: bool
    removed: bool


@dataclass(frozen=True)
class Owner:
    """An account with one sub-account of one room."""

    states: tuple[str, str, str]
    limits: ParticipantLimits
    space: Space
    trusts: bool
    codes: tuple[Code, ...]
    callers: tuple[Caller, ...]


small = st.none() | st.integers(1, 9)
offsets = st.none() | st.sampled_from(
    [-2 * HOUR, -timedelta(microseconds=1), timedelta(0), timedelta(microseconds=1), HOUR]
)
codes = st.builds(
    Code,
    digits=st.sampled_from(["100001", "100002", "2000003", "2000004"]),
    role=st.sampled_from(Role),
    key=st.integers(0, 1),
    valid_from=offsets,
    valid_until=offsets,
    max_uses=small,
    uses=st.integers(0, 9),
    pin=st.none() | st.sampled_from(["1234", "98765"]),
    live=st.sampled_from([True, True, True, False]),
)
state = st.sampled_from(["active", "active", *STATES])
owners = st.builds(
    Owner,
    states=st.tuples(st.sampled_from(["active", "active", "closed"]), state, state),
    limits=st.builds(ParticipantLimits, small, small, small),
    space=st.sampled_from(Space),
    trusts=st.booleans(),
    codes=st.lists(codes, max_size=4).map(tuple),
    callers=st.lists(
        st.builds(Caller, st.sampled_from([CALLER, "1", "2"]), st.booleans(), st.booleans()),
        max_size=2,
        unique_by=lambda caller: caller.number,
    ).map(tuple),
)
worlds = st.lists(owners, min_size=1, max_size=4)


class World:
    """Owners with ids. Of codes with the same digits in one space only the first is kept, as provisioning does."""

    def __init__(self, owners: Sequence[Owner]) -> None:
        self.owners = [(owner, uuid4(), uuid4(), uuid4()) for owner in owners]
        self.codes: list[tuple[Owner, Code, Grant]] = []
        self.callers: list[tuple[Owner, Caller, Grant]] = []
        taken = set()
        for owner, account, sub_account, room in self.owners:
            ids = (str(account), str(sub_account), str(room))
            for code in owner.codes:
                space = account if owner.space is Space.OWN else None
                if not code.live or (space, code.digits) not in taken:
                    taken |= {(space, code.digits)} if code.live else set()
                    self.codes.append((owner, code, self._entry(owner, code, ids)))
            for caller in owner.callers:
                self.callers.append((owner, caller, Grant(str(uuid4()), *ids, Role.HOST, owner.limits)))

    @staticmethod
    def _entry(owner: Owner, code: Code, ids: tuple[str, str, str]) -> Grant:
        passcode_id = uuid4()
        pin = code.pin and pin_digest(code.pin, RING.lookups[code.key], passcode_id.bytes)
        left = None if code.max_uses is None else max(0, code.max_uses - code.uses)
        return Grant(str(passcode_id), *ids, code.role, owner.limits, pin, left)

    def numbers(self) -> list[DialledNumber]:
        own = [DialledNumber(f"180{n}", str(each[1]), each[0].space) for n, each in enumerate(self.owners)]
        return [SHARED, *own]

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        for owner, code, entry in self.codes:
            if not code.live or code.digits != digits or owner.space is not number.space:
                continue
            if owner.space is Space.OWN and entry.account_id != number.account_id:
                continue
            bar = self._bar(owner, code, entry, number)
            return entry if bar is None else Barred(entry, bar)
        return None

    @staticmethod
    def _bar(owner: Owner, code: Code, entry: Grant, number: DialledNumber) -> Bar | None:
        bars = [
            (Bar.CLOSED, "closed" in owner.states),
            (Bar.SUSPENDED, "suspended" in owner.states),
            (Bar.OTHER_NUMBER, number.account_id is not None and number.account_id != entry.account_id),
            (Bar.NOT_YET_VALID, code.valid_from is not None and code.valid_from > timedelta(0)),
            (Bar.EXPIRED, code.valid_until is not None and code.valid_until <= timedelta(0)),
            (Bar.USED_UP, entry.uses_left == 0),
        ]
        return next((bar for bar, holds in bars if holds), None)

    def trusted(self, number: str, dialled: DialledNumber) -> Grant | None:
        found = [
            entry
            for owner, caller, entry in self.callers
            if caller.number == number and caller.skips_code and not caller.removed
            if owner.trusts and owner.states == ("active",) * 3
            if dialled.account_id == entry.account_id or (dialled.account_id is None and owner.space is Space.SHARED)
        ]
        return found[0] if len(found) == 1 else None

    def known_by(self, number: str) -> frozenset[str]:
        known = (entry for _, caller, entry in self.callers if caller.number == number and not caller.removed)
        return frozenset(entry.sub_account_id for entry in known)

    async def store(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        for table in ("known_callers", "passcodes", "access_numbers", "rooms", "sub_accounts", "accounts"):
            await connection.execute(f"DELETE FROM {table}")
        for owner, account, sub_account, room in self.owners:
            limits = owner.limits
            await connection.execute(
                "INSERT INTO accounts (id, name, currency, time_zone, state, code_space, max_callers) "
                "VALUES ($1, 'a', 'EUR', 'UTC', $2, $3, $4)",
                *(account, owner.states[2], owner.space.value, limits.account),
            )
            await connection.execute(
                "INSERT INTO sub_accounts (id, account_id, user_id, name, kind, state, max_callers, trust_callers) "
                "VALUES ($1, $2, 'u', 'n', 'employee', $3, $4, $5)",
                *(sub_account, account, owner.states[1], limits.sub_account, owner.trusts),
            )
            await connection.execute(
                "INSERT INTO rooms (id, account_id, sub_account_id, name, state, max_participants) "
                "VALUES ($1, $2, $3, 'r', $4, $5)",
                *(room, account, sub_account, owner.states[0], limits.room),
            )
        for number in self.numbers():
            await connection.execute(
                "INSERT INTO access_numbers (id, number, kind, account_id) VALUES ($1, $2, 'local', $3)",
                *(uuid4(), number.number, number.account_id and UUID(number.account_id)),
            )
        for owner, code, entry in self.codes:
            account = UUID(entry.account_id)
            own = owner.space is Space.OWN
            await connection.execute(
                "INSERT INTO passcodes (id, account_id, room_id, role, digest, length, sealed, state, space, "
                "valid_from, valid_until, max_uses, uses, pin_digest, pin_sealed) "
                "VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9, $10, $11, $12, $13, $14)",
                UUID(entry.passcode_id),
                account,
                UUID(entry.room_id),
                code.role.value,
                digest(code.digits, RING.lookups[code.key], account.bytes if own else b""),
                len(code.digits),
                "live" if code.live else "revoked",
                account if own else UUID(int=0),
                code.valid_from if code.valid_from is None else NOW + code.valid_from,
                code.valid_until if code.valid_until is None else NOW + code.valid_until,
                code.max_uses,
                code.uses,
                entry.pin,
                entry.pin and b"",
            )
        for _, caller, entry in self.callers:
            await connection.execute(
                "INSERT INTO known_callers (id, account_id, sub_account_id, room_id, number, name, skips_code, "
                "removed_at) VALUES ($1, $2, $3, $4, $5, 'n', $6, $7)",
                *map(UUID, (entry.passcode_id, entry.account_id, entry.sub_account_id, entry.room_id)),
                *(caller.number, caller.skips_code, NOW if caller.removed else None),
            )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(owners=worlds)
async def test_it_answers_as_the_rules_say(
    owners: list[Owner], database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Having read everything, having heard the news, or asking Postgres each time."""
    world, folder = World(owners), tmp_path_factory.mktemp("world")
    clock = {"now_us": lambda: NOW_US}
    async with (
        alone(database, folder / "news", RING, **clock) as news,
        alone(database, folder / "all", RING, **clock) as whole,
        alone(database, folder / "none", RING, **clock) as empty,
    ):
        await news.catch_up()
        async with database.connection("world") as connection:
            await world.store(connection)
        await news.catch_up()
        await whole.catch_up()
        for number in world.numbers():
            assert news.number(number.number) == whole.number(number.number) == number
            for digits in ("100001", "100002", "2000003", "2000004", "10000", STRANGER):
                expected = world.find(digits, number)
                assert news.find(digits, number) == expected
                assert whole.find(digits, number) == expected
                assert await empty.confirm(digits, number) == expected
            for caller in (CALLER, "1", "2", "3", ""):
                assert (
                    news.trusted(caller, number) == whole.trusted(f"+{caller}", number) == world.trusted(caller, number)
                )
                assert news.known_by(caller) == whole.known_by(f"+{caller}") == world.known_by(caller)
        for _, account, sub_account, room in world.owners:
            assert news.owner(str(room)) == whole.owner(str(room)) == RoomOwner(str(account), str(sub_account))
        for _, code, entry in world.codes:
            assert code.pin is None or whole.pin_matches(entry, code.pin)
            assert not whole.pin_matches(entry, "1235")


# --- Numbers --------------------------------------------------------------------------------------------------------
async def test_a_dedicated_number_is_for_its_own_codes(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    other = await provision.create_account(tenants, AccountFields("Other", "EUR", "UTC"))
    theirs = await provision.create_sub_account(tenants, secrets, other.id, SubAccountFields("1", "x"))
    number = replace(dedicated(sub_account), language="de", greeting="hello-hale")
    async with database.connection("test") as connection:
        await connection.execute(
            "INSERT INTO access_numbers (id, number, kind, account_id, language, greeting) "
            "VALUES (gen_random_uuid(), $1, 'local', $2, 'de', 'hello-hale')",
            *(number.number, sub_account.account_id),
        )
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        assert directory.number(number.number) == number
        assert directory.find(digits_of(sub_account), number) == entry_of(sub_account)
        assert barred(directory.find(digits_of(theirs), number)) == "other_number"
        assert barred(await directory.confirm(digits_of(theirs), number)) == "other_number"
        await execute(database, "UPDATE access_numbers SET account_id = NULL")
        await directory.catch_up()
        assert directory.number(number.number) == replace(number, account_id=None)
        await execute(database, "DELETE FROM access_numbers")
        await directory.catch_up()
        assert directory.number(number.number) is None


async def test_a_space_of_its_own_has_its_own_lengths_and_is_found_nowhere_else(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    account, room = sub_account.account_id, sub_account.rooms[0].id
    await execute(database, "UPDATE accounts SET code_space = 'own'")
    await execute(
        database,
        "INSERT INTO passcodes (id, account_id, room_id, role, digest, length, sealed, space) "
        "VALUES (gen_random_uuid(), :account, :room, 'guest', :digest, 4, '', :account)",
        account=account,
        room=room,
        digest=digest("4711", secrets.lookup, account.bytes),
    )
    own = dedicated(sub_account, Space.OWN)
    elsewhere = replace(own, account_id=str(uuid4()))
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        assert admits(directory, "4711", own)
        assert (directory.lengths(own), directory.lengths(SHARED), directory.lengths(elsewhere)) == ({4: 1}, {9: 2}, {})
        assert directory.worst_lengths() == ({9: 2}, {4: 1})
        assert directory.find("4711", SHARED) is None
        assert directory.find("4711", elsewhere) is None
        # Those from when its codes were shared are found nowhere any more.
        assert directory.find(digits_of(sub_account), own) is None
        assert directory.find(digits_of(sub_account), SHARED) is None


# --- Keys -----------------------------------------------------------------------------------------------------------
async def test_a_new_key_takes_over_while_postgres_is_away(
    database: Database, tenants: PostgresTenants, state_dir: Path, sub_account: SubAccount, tmp_path: Path
) -> None:
    """Introduced before any code is renewed; codes under both; the old one given up at the end."""
    old, both, new = keys.derive("5eed" * 16), keys.derive("2ab1" * 16, "5eed" * 16), keys.derive("2ab1" * 16)
    digits = digits_of(sub_account)
    async with alone(database, state_dir, old) as directory:
        await directory.catch_up()
    async with nowhere(tmp_path) as away, alone(away, state_dir, both) as directory:
        assert directory.not_ready is None
        assert directory.find(digits, SHARED) == entry_of(sub_account)
    made = await provision.add_passcode(tenants, both, sub_account.rooms[0].id, Role.GUEST)
    async with alone(database, state_dir, both) as directory:
        await directory.catch_up()
        assert admits(directory, digits)
        assert admits(directory, made.digits or "")
        assert directory.lengths(SHARED) == {9: 3}
        for each in (digits, digits_of(sub_account, 1)):
            await execute(
                database,
                "UPDATE passcodes SET digest = :new WHERE digest = :old",
                new=digest(each, new.lookup),
                old=digest(each, old.lookup),
            )
        await directory.catch_up()
        assert admits(directory, digits)
    async with nowhere(tmp_path) as away, alone(away, state_dir, new) as directory:
        assert admits(directory, digits)
        assert admits(directory, made.digits or "")
    async with nowhere(tmp_path) as away, alone(away, state_dir, old) as directory:
        assert directory.not_ready is not None
        assert directory.find(digits, SHARED) is None


# --- Known callers --------------------------------------------------------------------------------------------------
async def known(directory: LocalDirectory, database: Database, owner: SubAccount, number: str = CALLER) -> UUID:
    """A number that a sub-account trusts to skip the code."""
    known_id = uuid4()
    await execute(database, "UPDATE sub_accounts SET trust_callers = true WHERE id = :id", id=owner.id)
    await execute(
        database,
        "INSERT INTO known_callers (id, account_id, sub_account_id, room_id, number, name, skips_code) "
        "VALUES (:id, :account, :owner, :room, :number, 'Ada', true)",
        id=known_id,
        account=owner.account_id,
        owner=owner.id,
        room=owner.rooms[0].id,
        number=number,
    )
    await directory.catch_up()
    return known_id


async def test_a_known_caller_enters_as_host_unless_it_is_not_clear_where(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    other = await provision.create_account(tenants, AccountFields("Other", "EUR", "UTC"))
    theirs = await provision.create_sub_account(tenants, secrets, other.id, SubAccountFields("1", "x"))
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        assert not directory.known_by(CALLER)
        assert directory.trusted(CALLER, SHARED) is None
        known_id = await known(directory, database, sub_account)
        host = replace(entry_of(sub_account), passcode_id=str(known_id), role=Role.HOST)
        for written in (CALLER, f"+{CALLER}"):
            assert directory.trusted(written, SHARED) == host
            assert directory.known_by(written)
        for stranger in ("", "+", CALLER[:-1], f"{CALLER}0", "ä"):
            assert directory.trusted(stranger, SHARED) is None
            assert not directory.known_by(stranger)
        await known(directory, database, theirs)
        assert directory.trusted(CALLER, SHARED) is None
        assert directory.known_by(CALLER) == {str(sub_account.id), str(theirs.id)}
        assert directory.trusted(CALLER, dedicated(sub_account)) == host
        await execute(database, "UPDATE accounts SET state = 'suspended' WHERE id = :id", id=other.id)
        await directory.catch_up()
        assert directory.trusted(CALLER, SHARED) == host
        await execute(database, "UPDATE known_callers SET removed_at = now()")
        await directory.catch_up()
        assert not directory.known_by(CALLER)


async def test_a_caller_is_known_in_whatever_form_the_number_was_stored(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    async with alone(database, state_dir, secrets, numbers=CallerNumbers("DE")) as directory:
        await known(directory, database, sub_account, "030123456")
        assert directory.known_by("+4930123456")
        assert directory.trusted("+4930123456", SHARED) is not None
        assert not directory.known_by("+4440123456")


async def test_a_known_caller_of_a_room_that_is_not_its_sub_accounts_is_not_trusted(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    colleague = await provision.create_sub_account(
        tenants, secrets, sub_account.account_id, SubAccountFields("2", "Bo")
    )
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        await known(directory, database, replace(sub_account, rooms=colleague.rooms))
        assert directory.known_by(CALLER)
        assert directory.trusted(CALLER, SHARED) is None


async def test_owners_of_rooms(database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        owner = RoomOwner(str(sub_account.account_id), str(sub_account.id))
        assert directory.owner(str(sub_account.rooms[0].id)) == owner
        assert directory.owner(str(uuid4())) is None
        assert directory.owner("lobby") is None
