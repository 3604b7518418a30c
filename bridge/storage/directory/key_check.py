"""The check value in Postgres of the key that passcodes are kept under. It makes a wrong BRIDGE_PASSCODE_KEY known.

Under a wrong key no caller gets in, and new passcodes are lost once the key is set right.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys

WRONG: Final = "BRIDGE_PASSCODE_KEY is not the key that the passcodes in Postgres are kept under: nobody would get in"
MEND: Final = (
    "set the key that was used before, from the copy that you keep; to change the key, set that one as "
    "BRIDGE_PASSCODE_KEYS_OLD beside the new one; if it is lost for good, see `bridge key replace-lost --help`"
)
_STORED: Final = text("SELECT key_check FROM directory_state")
# Passcodes from before there were check values bear the ids of their keys. Those from before ids bear none.
_FOREIGN: Final = text(
    """
SELECT EXISTS (SELECT FROM passcodes WHERE state = 'live' AND key_id > '')
    AND NOT EXISTS (SELECT FROM passcodes WHERE state = 'live' AND key_id = ANY(:ids))
"""
)
# Of two who come at once, the second waits for the first, and then sees its value.
_TAKE: Final = text(
    """
UPDATE directory_state
SET key_check = CASE WHEN key_check IS NULL OR key_check = ANY(:older) THEN :present ELSE key_check END
RETURNING key_check
"""
)
_REPLACE: Final = text("UPDATE directory_state SET key_check = :present")


async def is_right(connection: AsyncConnection, keys: Keys) -> bool:
    """Return True if the passcodes in Postgres are kept under one of these keys, or if there are none yet."""
    stored = await connection.scalar(_STORED)
    if stored is None:
        return not await connection.scalar(_FOREIGN, {"ids": list(keys.ids)})
    return stored in keys.checks


async def confirm(database: Database, keys: Keys) -> None:
    """Check that the passcodes in Postgres are kept under these keys. Raises Conflict if not, Unavailable.

    The first daemon of an installation stores the check value of its key. One that has the stored key among its
    older keys stores that of its present key: from then on, the older key alone is refused.
    """
    async with database.transaction() as connection:
        right = await is_right(connection, keys)
        present, *older = keys.checks
        if right and await connection.scalar(_STORED) != present:
            right = await connection.scalar(_TAKE, {"present": present, "older": older}) == present
    if not right:
        raise Conflict(f"{WRONG}; {MEND}")


async def replace(database: Database, keys: Keys) -> None:
    """Store the check value of the present key, whichever key was there before."""
    async with database.transaction() as connection:
        await connection.execute(_REPLACE, {"present": keys.checks[0]})
