"""What the local directory reads from Postgres."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.storage.directory_file import Mark

CHANNEL: Final = "bridge_directory"
MOST_CHANGES: Final = 20_000
CHUNK: Final = 1000

_MARK: Final = """
SELECT database_id, number, (SELECT coalesce(max(length), 0) FROM passcode_lengths) AS longest
FROM directory_state
"""
# An entry is packed as directory_file.entry_of takes it apart.
_CODES: Final = """
SELECT passcodes.digest, uuid_send(passcodes.id) || uuid_send(passcodes.account_id) || uuid_send(rooms.sub_account_id)
    || uuid_send(rooms.id) || convert_to(passcodes.role, 'UTF8') AS entry
FROM passcodes
JOIN rooms ON rooms.id = passcodes.room_id
JOIN sub_accounts ON sub_accounts.id = rooms.sub_account_id
JOIN accounts ON accounts.id = passcodes.account_id
WHERE passcodes.state = 'live' AND sub_accounts.state = 'active' AND accounts.state = 'active'
"""
_NUMBERS: Final = "SELECT number FROM access_numbers"


@dataclass(frozen=True, slots=True)
class News:
    """What changed since a number: of each digest its entry now, or None; of each access number whether it is known."""

    codes: dict[bytes, bytes | None]
    numbers: dict[str, bool]


async def mark(connection: AsyncConnection) -> Mark:
    """How far the database has come."""
    row = (await connection.execute(text(_MARK))).one()
    return Mark(row.database_id, row.number, row.longest)


async def news(connection: AsyncConnection, since: int, until: int) -> News | None:
    """The changes (since, until]; None when they are too many, or not all kept: then all must be read."""
    if not 0 < until - since <= MOST_CHANGES:
        return None
    statement = text("SELECT kind, key FROM directory_changes WHERE number > :since AND number <= :until")
    changes = (await connection.execute(statement, {"since": since, "until": until})).all()
    if len(changes) != until - since or not {change.kind for change in changes} <= {"code", "number"}:
        return None
    digests = {change.key for change in changes if change.kind == "code"}
    numbers = {change.key.decode() for change in changes if change.kind == "number"}
    codes = await entries(connection, list(digests)) if digests else {}
    rows = await connection.execute(text(f"{_NUMBERS} WHERE number = ANY(:numbers)"), {"numbers": list(numbers)})
    known = set(rows.scalars())
    return News({digest: codes.get(digest) for digest in digests}, {number: number in known for number in numbers})


async def entries(connection: AsyncConnection, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """The packed entries of those digests that are live."""
    rows = await connection.execute(text(f"{_CODES} AND passcodes.digest = ANY(:digests)"), {"digests": digests})
    return {row.digest: row.entry for row in rows}


class Everything:
    """All there is, as of one instant, on a connection that has a transaction for it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def mark(self) -> Mark:
        row = await self._connection.fetchrow(_MARK)
        return Mark(row["database_id"], row["number"], row["longest"])

    async def numbers(self) -> list[str]:
        return [row["number"] for row in await self._connection.fetch(_NUMBERS)]

    async def codes(self) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """Codes as (digest, packed entry), in order of their digests, a chunk at a time."""
        cursor = await self._connection.cursor(f"{_CODES} ORDER BY passcodes.digest")
        while rows := await cursor.fetch(CHUNK):
            yield [tuple(row) for row in rows]


async def prune(connection: AsyncConnection) -> None:
    """Drop changes that are a week old: whoever missed so many reads everything again."""
    await connection.execute(text("DELETE FROM directory_changes WHERE changed_at < now() - interval '7 days'"))
