"""The local directory follows Postgres within a second, and keeps its last state while Postgres is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from bridge.domain.admission.grant import Barred, ParticipantLimits
from bridge.domain.provisioning.changes import AccessNumberFields, AccountFields, SubAccountFields
from bridge.domain.provisioning.passcode import Role, digest
from bridge.domain.provisioning.tenants import SubAccount
from bridge.sandbox import postgres
from bridge.sandbox.postgres import Postgres
from bridge.storage.directory.file import DirectoryFile, Mark
from bridge.storage.directory.source import DatabaseSnapshot
from bridge.storage.postgres import migration
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
    digits_of,
    entry_of,
    execute,
    following,
    nowhere,
    until,
)


async def test_it_answers_what_postgres_knows(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    await provision.add_access_number(tenants, AccessNumberFields("+1 800 555 0100"))
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: directory.fresh)
        assert directory.not_ready is None
        assert directory.health()[0]
        for which in (0, 1):
            digits = digits_of(sub_account, which)
            assert directory.find(digits, SHARED) == entry_of(sub_account, which)
            assert directory.find(digits[:-1], SHARED) is None
            assert directory.find(digits + "0", SHARED) is None
        assert directory.find("", SHARED) is None
        assert directory.lengths(SHARED) == {9: 2}
        assert directory.number("18005550100") == SHARED
        assert not any(map(directory.number, ("", "18005550101", "1800555010", "ä", "+18005550100", "1" * 600)))
    assert (state_dir / "directory.lmdb").stat().st_mode & 0o777 == 0o600
    assert digits_of(sub_account).encode() not in (state_dir / "directory.lmdb").read_bytes()


async def test_changes_reach_every_node(
    database: Database, tenants: PostgresTenants, tmp_path: Path, secrets: Keys, sub_account: SubAccount, url: str
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    room = sub_account.rooms[0].id
    async with (
        Database(url) as far,
        following(database, folders[0], secrets, "a") as here,
        following(far, folders[1], secrets, "b") as there,
    ):
        await until(lambda: here.fresh and there.fresh)
        made = await provision.add_passcode(tenants, secrets, room, Role.GUEST)
        assert made.digits
        digits = made.digits
        await here.catch_up()
        assert here.find(digits, SHARED) is not None
        await until(lambda: there.find(digits, SHARED))
        await tenants.revoke_passcode(made.id)
        await here.catch_up()
        assert here.find(digits, SHARED) is None
        await until(lambda: there.find(digits, SHARED) is None)
        await provision.add_access_number(tenants, AccessNumberFields("18005550199"))
        await until(lambda: there.number("18005550199"))


@pytest.mark.parametrize(
    ("table", "change", "finds"),
    [
        ("accounts", "state = 'suspended'", "suspended"),
        ("accounts", "state = 'closed'", "closed"),
        ("sub_accounts", "state = 'suspended'", "suspended"),
        ("sub_accounts", "state = 'closed'", "closed"),
        ("rooms", "state = 'closed'", "closed"),
        ("passcodes", "state = 'revoked'", None),
        ("passcodes", "valid_from = now() + interval '1 hour'", "not_yet_valid"),
        ("passcodes", "valid_until = now() - interval '1 second'", "expired"),
        ("passcodes", "max_uses = 1, uses = 1", "used_up"),
    ],
)
async def test_whatever_bars_a_code_bars_it_here(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, table: str, change: str, finds: str
) -> None:
    digits = digits_of(sub_account)
    columns = [part.split(" = ")[0] for part in change.split(", ")]
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: admits(directory, digits))
        before = await rows_of(database, table, columns)
        await execute(database, f"UPDATE {table} SET {change}")
        await until(lambda: not admits(directory, digits))
        found = directory.find(digits, SHARED)
        assert barred(found) == finds
        assert found is None or (
            isinstance(found, Barred) and found.grant.passcode_id == entry_of(sub_account).passcode_id
        )
        back = ", ".join(f"{column} = :{column}" for column in columns)
        await execute(database, f"UPDATE {table} SET {back}", **before)
        await until(lambda: admits(directory, digits))


async def rows_of(database: Database, table: str, columns: list[str]) -> dict[str, Any]:
    """Columns of the first row of a table."""
    async with database.snapshot() as connection:
        row = (await connection.execute(text(f"SELECT {', '.join(columns)} FROM {table} LIMIT 1"))).one()
        return dict(row._mapping)


async def test_limits_follow(database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount) -> None:
    digits = digits_of(sub_account)
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: directory.fresh)
        await execute(database, "UPDATE rooms SET max_participants = 10")
        await execute(database, "UPDATE sub_accounts SET max_callers = 20")
        await execute(database, "UPDATE accounts SET max_callers = 30")
        limited = replace(entry_of(sub_account), limits=ParticipantLimits(10, 20, 30))
        await until(lambda: directory.find(digits, SHARED) == limited)


async def test_numbers_are_gapless_and_in_order_of_commit(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    """A reader that catches up while many write at once misses none of their changes."""
    room = sub_account.rooms[0].id
    made: list[str] = []

    async def add() -> None:
        for _ in range(10):
            made.append((await provision.add_passcode(tenants, secrets, room, Role.GUEST)).digits or "")

    async with alone(database, state_dir, secrets) as directory:
        writing = asyncio.gather(*(add() for _ in range(5)))
        while not writing.done():
            await directory.catch_up()
        await writing
        await directory.catch_up()
        assert len(made) == 50
        assert all(directory.find(digits, SHARED) for digits in made)
        # Each passcode is a change, and the count of its length another.
        assert directory.change == 7 + 2 * 50


async def test_many_catching_up_share_the_work(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    async with alone(database, state_dir, secrets) as directory:

        async def add() -> None:
            made = await provision.add_passcode(tenants, secrets, sub_account.rooms[0].id, Role.GUEST)
            await directory.catch_up()
            assert directory.find(made.digits or "", SHARED) is not None

        await asyncio.gather(*(add() for _ in range(30)))


async def test_a_new_process_answers_at_once_with_postgres_away(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, tmp_path: Path
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
    async with nowhere(tmp_path) as away, following(away, state_dir, secrets) as directory:
        assert directory.find(digits_of(sub_account), SHARED) == entry_of(sub_account)
        assert directory.not_ready is None
        assert not directory.fresh
        assert await directory.confirm(STRANGER, SHARED) is None
        await until(lambda: "can't be reached" in directory.health()[1])
        assert directory.health()[0]


async def test_a_node_that_never_saw_postgres_is_not_ready(state_dir: Path, secrets: Keys, tmp_path: Path) -> None:
    async with nowhere(tmp_path) as away, following(away, state_dir, secrets) as directory:
        await until(lambda: "can't be reached" in (directory.not_ready or ""))
        assert not directory.health()[0]
        assert directory.number("18005550100") is None
        assert directory.find(STRANGER, SHARED) is None
        assert directory.lengths(SHARED) == {}


async def test_a_miss_is_confirmed_by_postgres_while_it_lags(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        assert directory.find(digits_of(sub_account), SHARED) is None
        assert await directory.confirm(digits_of(sub_account), SHARED) == entry_of(sub_account)
        assert await directory.confirm(STRANGER, SHARED) is None
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: directory.fresh)
        await execute(database, "ALTER TABLE passcodes DISABLE TRIGGER USER")
        made = await provision.add_passcode(tenants, secrets, sub_account.rooms[0].id, Role.GUEST)
        assert await directory.confirm(made.digits or "", SHARED) is None


async def test_a_miss_does_not_wait_for_a_stuck_postgres(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount
) -> None:
    async with alone(database, state_dir, secrets) as directory, database.transaction() as stuck:
        await stuck.execute(text("LOCK TABLE passcodes"))
        began = time.monotonic()
        assert await directory.confirm(digits_of(sub_account), SHARED) is None
        assert time.monotonic() - began > 0.4


async def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096)


async def scribble(path: Path) -> None:
    path.write_bytes(b"\x5a" * path.stat().st_size)


async def empty(path: Path) -> None:
    path.write_bytes(b"")


async def shuffle_meta(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"meta", b"atem"))


@pytest.mark.parametrize("damage", [truncate, scribble, empty, shuffle_meta])
async def test_a_damaged_file_is_made_again(
    database: Database,
    state_dir: Path,
    secrets: Keys,
    sub_account: SubAccount,
    damage: Callable[[Path], Awaitable[None]],
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
    await damage(state_dir / "directory.lmdb")
    async with alone(database, state_dir, secrets) as directory:
        assert directory.change is None
        await directory.catch_up()
        assert directory.find(digits_of(sub_account), SHARED) == entry_of(sub_account)


async def test_a_file_of_another_key_format_or_database_is_made_again(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
    other = replace(secrets, lookup=b"another key", older=())
    async with alone(database, state_dir, other) as directory:
        assert directory.change is None
        await directory.catch_up()
        assert directory.find(digits_of(sub_account), SHARED) is None
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
    with monkeypatch.context() as patch:
        patch.setattr("bridge.storage.directory.file.FORMAT", 9)
        async with alone(database, state_dir, secrets) as directory:
            assert directory.change is None
            await directory.catch_up()
    file = DirectoryFile(state_dir / "directory.lmdb", secrets.checks)
    room = UUID(entry_of(sub_account).room_id).bytes
    stray = {digest(STRANGER, secrets.lookup): bytes(16) + room + b"h"}
    file.write({"codes": stray}, Mark(UUID(int=7), 1_000_000))
    owners = {"rooms": {room: bytes(32) + b"aa" + bytes(9)}, "accounts": {bytes(16): b"a" + bytes(5)}}
    file.write(owners, Mark(UUID(int=7), 1_000_000))
    file.close()
    async with alone(database, state_dir, secrets) as directory:
        assert admits(directory, STRANGER)
        await directory.catch_up()
        assert directory.find(STRANGER, SHARED) is None
        assert directory.find(digits_of(sub_account), SHARED) == entry_of(sub_account)
        assert directory.change == 7


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM directory_changes WHERE number <= 7",
        "DELETE FROM directory_changes WHERE number = 8",
        "UPDATE directory_state SET number = 1",
    ],
)
async def test_after_a_gap_everything_is_read_again(
    database: Database, tenants: PostgresTenants, state_dir: Path, secrets: Keys, sub_account: SubAccount, loss: str
) -> None:
    room = sub_account.rooms[0].id
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        made = [await provision.add_passcode(tenants, secrets, room, Role.GUEST) for _ in range(3)]
        await tenants.revoke_passcode(sub_account.rooms[0].passcodes[0].id)
        await execute(database, loss)
        await directory.catch_up()
        assert all(directory.find(passcode.digits or "", SHARED) for passcode in made)
        assert directory.find(digits_of(sub_account), SHARED) is None


async def test_codes_by_the_thousand(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bulk change is one change, a full read comes in chunks, and callers are answered all the while."""
    room = sub_account.rooms[0].id
    many = [f"77{number:08}" for number in range(12_000)]
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: directory.fresh)
        async with database.connection("bulk") as connection:
            await connection.execute(
                "INSERT INTO passcodes (id, account_id, room_id, role, digest, length, sealed) "
                "SELECT gen_random_uuid(), $1, $2, 'guest', digest, 10, '' FROM unnest($3::bytea[]) AS digest",
                sub_account.account_id,
                room,
                [digest(digits, secrets.lookup) for digits in many],
            )
        async with asyncio.timeout(10):
            while directory.find(many[-1], SHARED) is None:
                assert directory.find(digits_of(sub_account), SHARED) is not None
                await asyncio.sleep(0)
        assert all(directory.find(digits, SHARED) for digits in many)
        assert directory.change == 9
        assert directory.lengths(SHARED) == {9: 2, 10: 12_000}
        await execute(database, "UPDATE passcodes SET state = 'revoked' WHERE length = 10")
        await until(lambda: directory.find(many[0], SHARED) is None)
        assert not any(admits(directory, digits) for digits in many)
        assert directory.lengths(SHARED) == {9: 2}


async def test_a_refill_that_is_broken_off_leaves_all_as_it_was(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_way = asyncio.Event()

    async def rows(_: DatabaseSnapshot) -> AsyncIterator[tuple[str, list[tuple[bytes, bytes]]]]:
        yield "accounts", [(bytes(16), b"a" + bytes(5))]
        half_way.set()
        await asyncio.Event().wait()

    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        await execute(database, "DELETE FROM directory_changes")
        await execute(database, "UPDATE passcodes SET state = 'revoked' WHERE role = 'guest'")
        await execute(database, "DELETE FROM directory_changes")
        with monkeypatch.context() as patch:
            patch.setattr(DatabaseSnapshot, "rows", rows)
            refilling = asyncio.create_task(directory.catch_up())
            await half_way.wait()
            refilling.cancel()
            await asyncio.wait([refilling])
        assert admits(directory, digits_of(sub_account, 1))
        await directory.catch_up()
        assert admits(directory, digits_of(sub_account, 0))
        assert not admits(directory, digits_of(sub_account, 1))
    assert sorted(path.name for path in state_dir.glob("directory*")) == ["directory.lmdb", "directory.lmdb-lock"]


async def test_it_outlives_a_restart_of_postgres(tmp_path: Path, state_dir: Path, secrets: Keys) -> None:
    server = await asyncio.to_thread(_started, tmp_path)
    try:
        await migration.migrate(server.url)
        async with Database(server.url) as database:
            tenants = PostgresTenants(database)
            account = await provision.create_account(tenants, AccountFields("A", "EUR", "UTC"))
            owner = await provision.create_sub_account(tenants, secrets, account.id, SubAccountFields("1", "x"))
            async with following(database, state_dir, secrets) as directory:
                await until(lambda: directory.fresh)
                await asyncio.to_thread(server.stop)
                await until(lambda: "can't be reached" in directory.health()[1])
                assert directory.find(digits_of(owner), SHARED) == entry_of(owner)
                await directory.catch_up()
                await asyncio.to_thread(server.start)
                made = await provision.add_passcode(tenants, secrets, owner.rooms[0].id, Role.GUEST)
                await until(lambda: directory.find(made.digits or "", SHARED))
                await until(lambda: directory.fresh and "fresh" in directory.health()[1])
    finally:
        await asyncio.to_thread(server.remove)


def _started(folder: Path) -> Postgres:
    server = postgres.at(folder)
    server.start()
    return server


async def test_a_second_node_on_the_database_says_why_it_refuses(
    database: Database, tmp_path: Path, secrets: Keys, url: str
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    async with Database(url) as far:
        first = following(database, folders[0], secrets, "berlin")
        async with following(far, folders[1], secrets, "munich") as second:
            await until(lambda: second.fresh and second.not_ready is None)
            async with first as late:
                await until(lambda: late.not_ready and "node munich serves callers" in late.not_ready)
                assert second.not_ready is None


async def test_a_node_takes_over_when_the_other_has_gone(
    database: Database, tmp_path: Path, secrets: Keys, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.storage.directory.sync.PING_S", 0.05)
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    async with Database(url) as far, following(database, folders[0], secrets, "berlin") as late:
        async with following(far, folders[1], secrets, "munich") as first:
            await until(lambda: late.not_ready or first.not_ready)
            patient = late if late.not_ready else first
        if patient is late:
            await until(lambda: late.not_ready is None)
