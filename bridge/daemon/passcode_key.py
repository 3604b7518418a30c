"""Refuses to start the daemon under a wrong BRIDGE_PASSCODE_KEY."""

import asyncio
from pathlib import Path
from typing import Final

from bridge.domain.errors import BridgeError, Unavailable
from bridge.storage.directory import file, key_check, sync
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys

ASK_S: Final = 5.0


def check(keys: Keys, state_dir: Path, database_url: str) -> None:
    """Check the keys against the local directory, else against Postgres. Raises BridgeError if they are wrong.

    A local directory that was made under one of the keys decides alone, so that a restart waits for nothing. Without
    one, or if it was made under another key, Postgres is asked. If Postgres is away, such a directory decides, and a
    new node starts: it admits nobody before Postgres is back, and is checked then.
    """
    path = sync.path_in(state_dir)
    local = file.made_under(path)
    if any(local == each[: file.CHECK_BYTES] for each in keys.checks):
        return
    try:
        asyncio.run(_ask(keys, database_url))
    except Unavailable as error:
        if local is not None:
            raise BridgeError(
                f"BRIDGE_PASSCODE_KEY is not the key that {path} was made under, and Postgres does not say if it is "
                f"right ({error}). Set the key that this node had before; if you have changed the key since, start "
                "the daemon again when Postgres answers"
            ) from error


async def _ask(keys: Keys, database_url: str) -> None:
    try:
        async with asyncio.timeout(ASK_S), Database(database_url, "bridge", pool=0, command_s=ASK_S) as database:
            await key_check.confirm(database, keys)
    except TimeoutError as error:
        raise Unavailable(f"no answer within {ASK_S:g} s") from error
