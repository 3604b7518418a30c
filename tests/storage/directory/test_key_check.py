"""The check value of the passcode key: a wrong key is refused, whoever comes first and whatever is stored yet."""

import asyncio
from pathlib import Path

import pytest

from bridge.domain.errors import BridgeError, Conflict
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage import keys
from bridge.storage.directory import file, key_check, sync
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys
from tests.storage.directory.directories import admits, alone, digits_of, execute, following, nowhere, opened, until

SECRETS = ("5eed" * 16, "2ab1" * 16, "01d0" * 16)
FIRST, SECOND, THIRD = map(keys.derive, SECRETS)
"""The first is the key of all fixtures."""
SECOND_AFTER_FIRST = keys.derive(SECRETS[1], SECRETS[0])
READ = "SELECT key_check FROM directory_state"


async def stored(database: Database) -> bytes | None:
    async with database.snapshot() as connection:
        return (await connection.exec_driver_sql(READ)).scalar()


async def right(database: Database, ring: Keys) -> bool:
    async with database.snapshot() as connection:
        return await key_check.is_right(connection, ring)


def test_check_values_tell_keys_apart_and_are_none_of_what_is_kept_under_them() -> None:
    assert SECOND_AFTER_FIRST.checks == (SECOND.checks[0], FIRST.checks[0])
    assert {len(check) for check in SECOND_AFTER_FIRST.checks} == {32}
    assert not {FIRST.lookup, FIRST.id.encode(), bytes.fromhex(SECRETS[0])} & {*FIRST.checks}
    assert FIRST.ids == (FIRST.id,)
    assert SECOND_AFTER_FIRST.ids == (SECOND.id, FIRST.id)


async def test_the_first_key_is_stored_and_no_other_is_taken(database: Database) -> None:
    assert await right(database, FIRST)
    assert await right(database, SECOND)
    assert await stored(database) is None
    await key_check.confirm(database, FIRST)
    for _ in range(2):
        with pytest.raises(Conflict, match="BRIDGE_PASSCODE_KEY is not the key .* set the key that was used before"):
            await key_check.confirm(database, SECOND)
        await key_check.confirm(database, FIRST)
    assert await stored(database) == FIRST.checks[0]
    assert not await right(database, SECOND)


async def test_of_many_nodes_that_start_at_once_with_different_keys_one_wins(database: Database) -> None:
    rings = (FIRST, SECOND, THIRD) * 4
    ends = await asyncio.gather(*(key_check.confirm(database, ring) for ring in rings), return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), Conflict}
    winners = {ring.id for ring, end in zip(rings, ends, strict=True) if end is None}
    assert len(winners) == 1
    assert [type(end) for end in ends].count(type(None)) == 4


async def test_a_key_that_names_the_former_one_takes_its_place(database: Database) -> None:
    await key_check.confirm(database, FIRST)
    assert await right(database, SECOND_AFTER_FIRST)
    assert await stored(database) == FIRST.checks[0]
    rivals = [keys.derive(SECRETS[2], SECRETS[0]), SECOND_AFTER_FIRST]
    ends = await asyncio.gather(*(key_check.confirm(database, ring) for ring in rivals), return_exceptions=True)
    assert sum(end is None for end in ends) == 1
    winner, loser = rivals if ends[0] is None else reversed(rivals)
    assert await stored(database) == winner.checks[0]
    for wrong in (FIRST, loser):
        with pytest.raises(Conflict):
            await key_check.confirm(database, wrong)
    await key_check.confirm(database, winner)


@pytest.mark.usefixtures("sub_account")
async def test_passcodes_from_before_there_were_check_values_tell_the_key(database: Database) -> None:
    assert not await right(database, SECOND)
    with pytest.raises(Conflict):
        await key_check.confirm(database, SECOND)
    assert await stored(database) is None
    await key_check.confirm(database, SECOND_AFTER_FIRST)
    assert await stored(database) == SECOND.checks[0]
    # Codes from before keys had ids tell nothing.
    await execute(database, "UPDATE passcodes SET key_id = ''")
    await execute(database, "UPDATE directory_state SET key_check = NULL")
    await key_check.confirm(database, THIRD)


@pytest.mark.usefixtures("sub_account")
async def test_a_lost_key_can_be_replaced(database: Database) -> None:
    await key_check.confirm(database, FIRST)
    await key_check.replace(database, SECOND)
    await key_check.confirm(database, SECOND)
    with pytest.raises(Conflict):
        await key_check.confirm(database, FIRST)


# --- In the local directory -----------------------------------------------------------------------------------------
async def test_the_local_directory_tells_which_key_it_was_made_under(
    database: Database, state_dir: Path, monkeypatch: pytest.MonkeyPatch, sub_account: SubAccount
) -> None:
    path = sync.path_in(state_dir)
    assert file.made_under(path) is None
    async with alone(database, state_dir, FIRST) as directory:
        await directory.catch_up()
    for _ in range(2):
        made_under = file.made_under(path)
        assert made_under is not None
        assert FIRST.checks[0].startswith(made_under)
    async with alone(database, state_dir, FIRST) as directory:
        assert admits(directory, digits_of(sub_account))
    with monkeypatch.context() as patch:
        patch.setattr("bridge.storage.directory.file.FORMAT", 99)
        assert file.made_under(path) is None
    path.write_bytes(b"damaged")
    assert file.made_under(path) is None


async def test_a_directory_that_meets_postgres_with_a_wrong_key_ends(
    database: Database, state_dir: Path, tmp_path: Path
) -> None:
    await key_check.confirm(database, FIRST)
    directory = opened(database, state_dir / "wrong", SECOND)
    with pytest.raises(BridgeError, match="BRIDGE_PASSCODE_KEY"):
        await directory.run()
    assert directory.change is None
    await directory.close()
    async with following(nowhere(tmp_path), state_dir / "away", SECOND) as waiting:
        await until(lambda: "can't be reached" in waiting.health()[1])
    async with following(database, state_dir / "right", FIRST) as fresh:
        await until(lambda: fresh.fresh)
