"""Directories for tests: one that follows Postgres, one that follows nobody, and what they are asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bridge.domain.admission.grant import Barred, DialledNumber, Grant
from bridge.domain.provisioning.tenants import Space, SubAccount
from bridge.storage.directory.lookup import LocalDirectory
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys

SHARED = DialledNumber("18005550100")
STRANGER = "99999999999999"


def opened(database: Database, state_dir: Path, keys: Keys, node: str = "node1", **more: Any) -> LocalDirectory:
    state_dir.mkdir(exist_ok=True)
    return LocalDirectory(database, state_dir, keys, node, **more)


@asynccontextmanager
async def following(
    database: Database, state_dir: Path, keys: Keys, node: str = "node1", **more: Any
) -> AsyncIterator[LocalDirectory]:
    """A directory that follows Postgres."""
    directory = opened(database, state_dir, keys, node, **more)
    running = asyncio.create_task(directory.run())
    try:
        yield directory
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await directory.close()


@asynccontextmanager
async def alone(database: Database, state_dir: Path, keys: Keys, **more: Any) -> AsyncIterator[LocalDirectory]:
    """A directory that follows nobody."""
    directory = opened(database, state_dir, keys, **more)
    try:
        yield directory
    finally:
        await directory.close()


def nowhere(folder: Path) -> Database:
    """A Postgres that is away."""
    return Database(f"postgresql://bridge@/bridge?host={folder}")


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.001)


async def execute(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement), values)


def admits(directory: LocalDirectory, digits: str, number: DialledNumber = SHARED) -> bool:
    return isinstance(directory.find(digits, number), Grant)


def barred(found: Grant | Barred | None) -> str | None:
    return found.bar.value if isinstance(found, Barred) else None


def dedicated(owner: SubAccount, space: Space = Space.SHARED) -> DialledNumber:
    return DialledNumber("18005550200", str(owner.account_id), space)


def digits_of(owner: SubAccount, which: int = 0) -> str:
    digits = owner.rooms[0].passcodes[which].digits
    assert digits is not None
    return digits


def entry_of(owner: SubAccount, which: int = 0) -> Grant:
    room = owner.rooms[0]
    passcode = room.passcodes[which]
    return Grant(str(passcode.id), str(owner.account_id), str(owner.id), str(room.id), passcode.role)
