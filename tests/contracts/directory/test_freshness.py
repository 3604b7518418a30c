"""The contract of services.Freshness: the fake of the API's tests, and the local directory of Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from bridge.domain.admission.grant import RoomOwner
from bridge.domain.provisioning.changes import SubAccountFields
from bridge.domain.provisioning.tenants import Account
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.services import Freshness
from tests.api.fake_freshness import FakeFreshness
from tests.storage.directory.directories import alone, nowhere

ROOM = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True)
class Installation:
    """A directory, and a way to commit rooms of which it does not know yet."""

    directory: Freshness
    commit_room: Callable[[], Awaitable[tuple[str, RoomOwner]]]


@pytest.fixture(params=["fake", "real"])
async def installation(
    request: pytest.FixtureRequest,
    database: Database,
    tenants: PostgresTenants,
    secrets: Keys,
    account: Account,
    state_dir: Path,
) -> AsyncIterator[Installation]:
    if request.param == "fake":
        fake = FakeFreshness()

        async def commit() -> tuple[str, RoomOwner]:
            room, owner = str(uuid4()), RoomOwner(str(uuid4()), str(uuid4()))
            fake.committed[room] = owner
            return room, owner

        yield Installation(fake, commit)
        return

    async def provisioned() -> tuple[str, RoomOwner]:
        fields = SubAccountFields(uuid4().hex[:8], "Ada Hale")
        made = await provision.create_sub_account(tenants, secrets, account.id, fields)
        return str(made.rooms[0].id), RoomOwner(str(account.id), str(made.id))

    async with alone(database, state_dir, secrets) as directory:
        yield Installation(directory, provisioned)


@pytest.fixture(params=["fake", "real"])
async def lost(
    request: pytest.FixtureRequest, tmp_path: Path, state_dir: Path, secrets: Keys
) -> AsyncIterator[Freshness]:
    """A directory whose Postgres is away."""
    if request.param == "fake":
        yield FakeFreshness(committed={ROOM: RoomOwner("account", "sub-account")}, lost=True)
        return
    async with AsyncExitStack() as stack:
        away = await stack.enter_async_context(nowhere(tmp_path))
        yield await stack.enter_async_context(alone(away, state_dir, secrets))


async def test_all_committed_changes_are_known_after_catching_up(installation: Installation) -> None:
    first, second = await installation.commit_room(), await installation.commit_room()
    await installation.directory.catch_up()
    third = await installation.commit_room()
    await installation.directory.catch_up()
    for room, owner in (first, second, third):
        assert installation.directory.owner(room) == owner


async def test_catching_up_can_be_repeated_and_done_by_many_at_once(installation: Installation) -> None:
    room, owner = await installation.commit_room()
    await asyncio.gather(*[installation.directory.catch_up() for _ in range(5)])
    assert installation.directory.owner(room) == owner
    await installation.directory.catch_up()
    assert installation.directory.owner(room) == owner


@pytest.mark.parametrize("room", ["00000000-0000-0000-0000-000000000099", "stray", ""])
async def test_an_unknown_room_has_no_owner(installation: Installation, room: str) -> None:
    await installation.commit_room()
    await installation.directory.catch_up()
    assert installation.directory.owner(room) is None


async def test_without_postgres_nothing_is_learned_and_nothing_raised(lost: Freshness) -> None:
    await lost.catch_up()
    assert lost.owner(ROOM) is None
