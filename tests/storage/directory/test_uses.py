"""Passcodes with limited uses: each use counts once, whichever part is killed or away."""

import asyncio
from pathlib import Path

import lmdb
import pytest
from sqlalchemy import text

from bridge.domain.admission.grant import Grant
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.directory.lookup import LocalDirectory
from bridge.storage.directory.uses import KEPT_US, Use, UsesFile
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys
from tests.storage.directory.directories import (
    SHARED,
    alone,
    barred,
    digits_of,
    entry_of,
    execute,
    following,
    nowhere,
    until,
)


@pytest.fixture
async def digits(database: Database, sub_account: SubAccount) -> str:
    """A passcode that can be used three times."""
    await execute(database, "UPDATE passcodes SET max_uses = 3 WHERE role = 'host'")
    return digits_of(sub_account)


def found(directory: LocalDirectory, digits: str) -> Grant:
    entry = directory.find(digits, SHARED)
    assert isinstance(entry, Grant)
    return entry


async def in_postgres(database: Database) -> tuple[int, int]:
    """Return what Postgres has: the passcode's count of uses, and the number of rows of uses."""
    async with database.snapshot() as connection:
        row = (
            await connection.execute(
                text("SELECT (SELECT uses FROM passcodes WHERE role = 'host'), (SELECT count(*) FROM passcode_uses)")
            )
        ).one()
        return row[0], row[1]


async def test_one_call_takes_one_use(
    database: Database, state_dir: Path, secrets: Keys, sub_account: SubAccount, digits: str
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        entry = found(directory, digits)
        assert entry.uses_left == 3
        calls = ["1.1", "1.1", "1.2", "1.1", "1.3", "1.4", "1.4"]
        # All at once: none waits for another's disk.
        taken = await asyncio.gather(*(directory.take_use(entry, call) for call in calls))
        assert taken == [True, True, True, True, True, False, False]
        assert barred(directory.find(digits, SHARED)) == "used_up"
        await directory.catch_up()
        assert await in_postgres(database) == (3, 3)
        assert await directory.take_use(entry, "1.2")
        assert not await directory.take_use(entry, "1.5")
        assert await directory.take_use(entry_of(sub_account, 1), "1.6")
        await directory.catch_up()
        assert await in_postgres(database) == (3, 3)


async def test_uses_outlive_a_restart_with_postgres_away(
    database: Database, state_dir: Path, secrets: Keys, digits: str, tmp_path: Path
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
    async with nowhere(tmp_path) as away:
        for call, left in (("1.1", 2), ("1.2", 1)):
            async with following(away, state_dir, secrets) as directory:
                assert await directory.take_use(found(directory, digits), call)
                assert found(directory, digits).uses_left == left
        async with alone(away, state_dir, secrets) as directory:
            assert found(directory, digits).uses_left == 1
            assert await directory.take_use(found(directory, digits), "1.2")
            assert found(directory, digits).uses_left == 1
    assert await in_postgres(database) == (0, 0)
    async with following(database, state_dir, secrets) as directory:
        await until(lambda: directory.fresh)
        assert found(directory, digits).uses_left == 1
        assert await in_postgres(database) == (2, 2)
        assert await directory.take_use(found(directory, digits), "1.3")
        async with asyncio.timeout(20):
            while await in_postgres(database) != (3, 3):
                await asyncio.sleep(0.01)
        await directory.catch_up()
        assert barred(directory.find(digits, SHARED)) == "used_up"
    async with nowhere(tmp_path) as away, alone(away, state_dir, secrets) as directory:
        assert barred(directory.find(digits, SHARED)) == "used_up"


async def test_a_crash_before_it_is_noted_that_postgres_knows_counts_nothing_twice(
    database: Database, state_dir: Path, secrets: Keys, digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        assert await directory.take_use(found(directory, digits), "1.1")
        with monkeypatch.context() as patch:
            patch.setattr(UsesFile, "mark_reported", crash)
            with pytest.raises(KeyboardInterrupt):
                await directory.catch_up()
        assert await in_postgres(database) == (1, 1)
    async with alone(database, state_dir, secrets) as directory:
        assert found(directory, digits).uses_left == 2
        await directory.catch_up()
        assert found(directory, digits).uses_left == 2
        assert await in_postgres(database) == (1, 1)


async def crash(*_: object) -> None:
    raise KeyboardInterrupt


async def test_while_others_write_codes_uses_wait_and_count_here(
    database: Database, state_dir: Path, secrets: Keys, digits: str
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        async with database.transaction() as connection:
            await locks.lock_code_space(connection)
            assert await directory.take_use(found(directory, digits), "1.1")
            await directory.catch_up()
            assert found(directory, digits).uses_left == 2
            assert await in_postgres(database) == (0, 0)
        await directory.catch_up()
        assert found(directory, digits).uses_left == 2
        assert await in_postgres(database) == (1, 1)


async def test_a_disk_that_refuses_keeps_nobody_out(
    database: Database, state_dir: Path, secrets: Keys, digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise lmdb.DiskError("no space left on device")

    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        with monkeypatch.context() as patch:
            patch.setattr(UsesFile, "_put", full)
            assert await directory.take_use(found(directory, digits), "1.1")
        assert found(directory, digits).uses_left == 2
        await directory.catch_up()
        assert await in_postgres(database) == (1, 1)


async def test_a_database_restored_from_a_backup_is_told_again(
    database: Database, state_dir: Path, secrets: Keys, digits: str
) -> None:
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        before = directory.change
        assert await directory.take_use(found(directory, digits), "1.1")
        await directory.catch_up()
        await execute(database, "DELETE FROM passcode_uses")
        await execute(database, "UPDATE passcodes SET uses = 0")
        await execute(database, f"UPDATE directory_state SET number = {before}")
        await execute(database, f"DELETE FROM directory_changes WHERE number > {before}")
        await directory.catch_up()
        assert found(directory, digits).uses_left == 2
        await directory.catch_up()
        assert found(directory, digits).uses_left == 2
        assert await in_postgres(database) == (1, 1)


async def test_a_code_that_only_postgres_knows_yet_is_used_once_as_well(
    database: Database, state_dir: Path, secrets: Keys, digits: str
) -> None:
    await execute(database, "UPDATE passcodes SET uses = 2 WHERE role = 'host'")
    async with alone(database, state_dir, secrets) as directory:
        entry = await directory.confirm(digits, SHARED)
        assert isinstance(entry, Grant)
        assert entry.uses_left == 1
        taken = await asyncio.gather(*(directory.take_use(entry, call) for call in ("1.1", "1.2", "1.1")))
        assert taken == [True, False, True]
        assert barred(await directory.confirm(digits, SHARED)) == "used_up"


async def test_uses_are_forgotten_a_day_after_all_know_them(state_dir: Path) -> None:
    passcode_id = bytes(16)
    file = UsesFile(state_dir / "uses.lmdb")
    uses = [Use(passcode_id, f"1.{n}", at) for n, at in enumerate((0, KEPT_US, KEPT_US, KEPT_US + 1))]
    for use in uses:
        await file.take(use)
    assert file.uncounted(passcode_id, 10) == 4
    await file.mark_reported(uses[:2], 8)
    await file.mark_reported(uses[2:3], 12)
    assert [file.uncounted(passcode_id, change) for change in (7, 8, 12)] == [4, 2, 1]
    file.settle(10)
    await file.prune(10, 2 * KEPT_US)
    assert [file.has(use) for use in uses] == [False, True, True, True]
    assert file.unreported == uses[3:]
    await file.close()
    file = UsesFile(state_dir / "uses.lmdb")
    assert [file.uncounted(passcode_id, change) for change in (10, 12)] == [2, 1]
    assert file.unreported == uses[3:]
    await file.close()


async def test_a_damaged_file_of_uses_is_put_aside(state_dir: Path) -> None:
    (state_dir / "uses.lmdb").write_bytes(b"\x5a" * 65536)
    file = UsesFile(state_dir / "uses.lmdb")
    assert file.unreported == []
    await file.close()
    assert (state_dir / "uses.lmdb.damaged").exists()
    assert (state_dir / "uses.lmdb").stat().st_mode & 0o777 == 0o600
