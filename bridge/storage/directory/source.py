"""Postgres as the source of the local directory: rows and changes are read there, uses are reported there."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid5

import asyncpg
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.storage.directory import rows as directory_rows
from bridge.storage.directory.file import TABLES, Mark
from bridge.storage.directory.rows import CodeRows
from bridge.storage.directory.uses import Use
from bridge.storage.postgres import locks
from bridge.storage.postgres.tables.admission import passcode_uses

CHANNEL: Final = "bridge_directory"
MOST_CHANGES: Final = 20_000
"""Beyond so many changes, reading everything is quicker."""
CHUNK: Final = 1000
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rows:
    """SQL that reads the rows of a table of the directory, in order of their keys.

    `where` has a place for a condition on the keys; `some` is the condition for a part of them.
    """

    key: str
    row: str
    where: str
    some: str

    def read(self, condition: str) -> str:
        return f"SELECT {self.key} AS key, {self.row} AS row FROM {self.where.format(condition)}"  # noqa: S608  # our own


_OF_CODES: Final = "passcodes WHERE state = 'live' AND {}"
_OF_ROOMS: Final = "rooms JOIN sub_accounts ON sub_accounts.id = rooms.sub_account_id WHERE {}"
_ROWS: Final[Mapping[str, Rows]] = {
    "codes": Rows("digest", directory_rows.CODE, f"{_OF_CODES} ORDER BY digest", "digest = ANY(:keys)"),
    "uses": Rows(
        "uuid_send(id)",
        directory_rows.USES,
        f"{_OF_CODES} AND max_uses IS NOT NULL ORDER BY id",
        "digest = ANY(:keys)",
    ),
    "lengths": Rows(
        "uuid_send(space)",
        directory_rows.LENGTHS,
        "passcode_lengths WHERE {} GROUP BY space ORDER BY space",
        "space = ANY(:keys)",
    ),
    "rooms": Rows(
        "uuid_send(rooms.id)", directory_rows.ROOM, f"{_OF_ROOMS} ORDER BY rooms.id", "rooms.id = ANY(:keys)"
    ),
    "accounts": Rows("uuid_send(id)", directory_rows.ACCOUNT, "accounts WHERE {} ORDER BY id", "id = ANY(:keys)"),
    "numbers": Rows(
        "convert_to(number, 'UTF8')",
        directory_rows.NUMBER,
        "access_numbers WHERE {} ORDER BY 1",
        "number = ANY(:keys)",
    ),
    "trunks": Rows("uuid_send(id)", directory_rows.TRUNK, "trunks WHERE {} ORDER BY id", "id = ANY(:keys)"),
    "callers": Rows(
        "convert_to(number, 'UTF8')",
        directory_rows.CALLERS,
        "known_callers WHERE removed_at IS NULL AND {} GROUP BY number ORDER BY 1",
        "number = ANY(:keys)",
    ),
}


def _uuid(key: bytes) -> UUID:
    return UUID(bytes=key)


# For each kind of change: the type of its key in SQL, the table whose row it is (if any), and which rows of other
# tables have to be read again.
_KINDS: Final[Mapping[str, tuple[Callable[[bytes], Any], str | None, Mapping[str, str]]]] = {
    "code": (bytes, "codes", {"uses": _ROWS["uses"].some}),
    "space": (_uuid, "lengths", {}),
    "room": (_uuid, "rooms", {}),
    "sub_account": (_uuid, None, {"rooms": "rooms.sub_account_id = ANY(:keys)"}),
    "account": (_uuid, "accounts", {}),
    "number": (bytes.decode, "numbers", {}),
    "trunk": (_uuid, "trunks", {}),
    "caller": (bytes.decode, "callers", {}),
}


def _all_of(kind: str) -> TextClause:
    """Return one statement that reads all rows a kind of change may affect.

    One round trip costs as much as the rows.
    """
    _, table, others = _KINDS[kind]
    conditions = {**({table: _ROWS[table].some} if table else {}), **others}
    reads = (
        f"(SELECT '{each}' AS name, found.* FROM ({_ROWS[each].read(condition)}) AS found)"  # noqa: S608  # our own
        for each, condition in conditions.items()
    )
    return text(" UNION ALL ".join(reads))


_SOME: Final = {kind: _all_of(kind) for kind in _KINDS}
_CHANGES: Final = text("SELECT kind, key FROM directory_changes WHERE number > :since AND number <= :until")
_MARK: Final = "SELECT database_id, number FROM directory_state"
_READ_MARK: Final = text(_MARK)
_CONFIRM: Final = f"""
SELECT {directory_rows.CODE} AS code, {directory_rows.ROOM} AS room, {directory_rows.ACCOUNT} AS account,
    CASE WHEN max_uses IS NOT NULL THEN {directory_rows.USES} END AS uses,
    (SELECT number FROM directory_state) AS change
FROM passcodes
JOIN rooms ON rooms.id = passcodes.room_id
JOIN sub_accounts ON sub_accounts.id = rooms.sub_account_id
JOIN accounts ON accounts.id = sub_accounts.account_id
WHERE passcodes.state = 'live' AND passcodes.digest = ANY(:digests)
"""  # noqa: S608  # made of our own texts alone

RowChanges = dict[str, dict[bytes, bytes | None]]


async def mark(connection: AsyncConnection) -> Mark:
    """Read the number of the last change, and the id of the database."""
    row = (await connection.execute(_READ_MARK)).one()
    return Mark(row.database_id, row.number)


async def changed_rows(connection: AsyncConnection, since: int, until: int) -> RowChanges | None:
    """Read the rows that the changes (since, until] affected.

    None if the changes are too many, not all stored any more, or of an unknown kind: everything must be read then.
    """
    if not 0 < until - since <= MOST_CHANGES:
        return None
    changes, changed = 0, defaultdict[str, set[bytes]](set)
    async for kind, key in _changes(connection, since, until):
        changes += 1
        changed[kind].add(key)
    if changes != until - since or not changed.keys() <= _KINDS.keys():
        return None
    found = defaultdict[str, dict[bytes, bytes | None]](dict)
    # First every changed key counts as gone. Then the rows that still exist are filled in: a change of another kind may
    # bring rows of the same table.
    for kind, keys in changed.items():
        if table := _KINDS[kind][1]:
            found[table].update(dict.fromkeys(keys))
    for kind, keys in changed.items():
        as_sql = _KINDS[kind][0]
        for part in _chunks(keys):
            for row in await connection.execute(_SOME[kind], {"keys": [as_sql(key) for key in part]}):
                found[row.name][row.key] = row.row
    return dict(found)


async def _changes(connection: AsyncConnection, since: int, until: int) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the changes (since, until] as (kind, key): few at once, many in chunks."""
    asked = {"since": since, "until": until}
    if until - since <= CHUNK:
        for few in await connection.execute(_CHANGES, asked):
            yield few.kind, few.key
        return
    streamed = await connection.stream(_CHANGES, asked, execution_options={"yield_per": CHUNK})
    async for some in streamed.partitions():
        for each in some:
            yield each.kind, each.key


async def code(connection: AsyncConnection, digests: Sequence[bytes]) -> CodeRows | None:
    """Read the live code with one of these digests, with its room, its account and its uses."""
    row = (await connection.execute(text(_CONFIRM), {"digests": digests})).first()
    if row is None:
        return None
    return CodeRows(row.code, row.room, row.account, row.uses, row.change)


_RAISE: Final = """
UPDATE passcodes SET uses = uses + new.times
FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS bigint[])) AS new(id, times) WHERE passcodes.id = new.id
"""


class DatabaseSnapshot:
    """All rows of the directory as of one instant, on a connection with a repeatable-read transaction."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def mark(self) -> Mark:
        # All rows are needed in order of their keys: sorting takes a quarter of the time of an index scan.
        await self._connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL work_mem = '64MB'")
        row = await self._connection.fetchrow(_MARK)
        return Mark(row["database_id"], row["number"])

    async def of_numbers(self) -> RowChanges:
        """Read the access numbers, and what is needed to serve them while each code is looked up in Postgres."""
        theirs = "id IN (SELECT account_id FROM access_numbers)"
        wanted = {"numbers": "true", "lengths": "true", "accounts": theirs, "trunks": "true"}
        return {
            table: dict(await self._connection.fetch(_ROWS[table].read(condition)))
            for table, condition in wanted.items()
        }

    async def rows(self) -> AsyncIterator[tuple[str, list[tuple[bytes, bytes]]]]:
        """Yield the tables with their rows in order of keys, a chunk at a time."""
        for table in TABLES:
            cursor = await self._connection.cursor(_ROWS[table].read("true"))
            while rows := await cursor.fetch(CHUNK):
                yield table, [tuple(row) for row in rows]


async def report_uses(connection: AsyncConnection, uses: Sequence[Use]) -> int | None:
    """Report uses to Postgres. It counts each once, however often it is reported.

    Returns the number of the change from which on its figures count them; None if others write codes just now, in which
    case nothing was reported. It doesn't wait for them: the directory has to stay fresh meanwhile.
    """
    if not await locks.try_lock_code_spaces(connection, {UUID(bytes=use.passcode_id) for use in uses}):
        return None
    values = [
        {
            "id": uuid5(UUID(bytes=use.passcode_id), use.uniqueid),
            "passcode_id": UUID(bytes=use.passcode_id),
            "uniqueid": use.uniqueid,
            "used_at": _1970 + timedelta(microseconds=use.at_us),
        }
        for use in uses
    ]
    added = insert(passcode_uses).on_conflict_do_nothing().returning(passcode_uses.c.passcode_id)
    new = Counter((await connection.execute(added, values)).scalars())
    # One statement for all rows: whoever waits for one of them holds nothing that this waits for, so no deadlock is
    # possible.
    await connection.execute(text(_RAISE), {"ids": list(new), "times": list(new.values())})
    return (await mark(connection)).number


async def prune(connection: AsyncConnection) -> None:
    """Delete changes that are a week old. A directory that missed them reads everything again."""
    await connection.execute(text("DELETE FROM directory_changes WHERE changed_at < now() - interval '7 days'"))


def _chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while part := list(islice(remaining, CHUNK)):
        yield part
