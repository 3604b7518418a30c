"""What the local directory reads from Postgres, and the uses that it tells it."""

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
CHUNK: Final = 1000
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a table of the directory are read: `where` has a place for the condition on keys, `some` is that
    condition. In order of their keys."""

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
        directory_rows.LENGTH,
        "passcode_lengths WHERE {} GROUP BY space ORDER BY space",
        "space IN (SELECT space FROM passcodes WHERE state = 'live' AND digest = ANY(:keys))",
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
    "callers": Rows(
        "convert_to(number, 'UTF8')",
        directory_rows.CALLERS,
        "known_callers WHERE removed_at IS NULL AND {} GROUP BY number ORDER BY 1",
        "number = ANY(:keys)",
    ),
}


def _uuid(key: bytes) -> UUID:
    return UUID(bytes=key)


# Of each kind of news: what its key is in SQL, the table whose row it is, if any, and which rows of other tables have
# to be read again.
_KINDS: Final[Mapping[str, tuple[Callable[[bytes], Any], str | None, Mapping[str, str]]]] = {
    "code": (bytes, "codes", {table: _ROWS[table].some for table in ("uses", "lengths")}),
    "room": (_uuid, "rooms", {}),
    "sub_account": (_uuid, None, {"rooms": "rooms.sub_account_id = ANY(:keys)"}),
    "account": (_uuid, "accounts", {}),
    "number": (bytes.decode, "numbers", {}),
    "caller": (bytes.decode, "callers", {}),
}


def _all_of(kind: str) -> TextClause:
    """What there is to be read of a kind of news, as one statement: each way to Postgres and back costs as much."""
    _, table, others = _KINDS[kind]
    conditions = {**({table: _ROWS[table].some} if table else {}), **others}
    reads = (
        f"(SELECT '{each}' AS told, found.* FROM ({_ROWS[each].read(condition)}) AS found)"  # noqa: S608  # our own
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
    """How far the database has come."""
    row = (await connection.execute(_READ_MARK)).one()
    return Mark(row.database_id, row.number)


async def changed_rows(connection: AsyncConnection, since: int, until: int) -> RowChanges | None:
    """What the changes (since, until] made of the rows they were of; None when they are too many, or not all kept: then
    all must be read."""
    if not 0 < until - since <= MOST_CHANGES:
        return None
    changes, changed = 0, defaultdict[str, set[bytes]](set)
    async for kind, key in _changes(connection, since, until):
        changes += 1
        changed[kind].add(key)
    if changes != until - since or not changed.keys() <= _KINDS.keys():
        return None
    found = defaultdict[str, dict[bytes, bytes | None]](dict)
    # Rows that are gone first: another kind of news may tell of rows that are there.
    for kind, keys in changed.items():
        if table := _KINDS[kind][1]:
            found[table].update(dict.fromkeys(keys))
    for kind, keys in changed.items():
        as_sql = _KINDS[kind][0]
        for part in _chunks(keys):
            for row in await connection.execute(_SOME[kind], {"keys": [as_sql(key) for key in part]}):
                found[row.told][row.key] = row.row
    return dict(found)


async def _changes(connection: AsyncConnection, since: int, until: int) -> AsyncIterator[tuple[str, bytes]]:
    """The changes (since, until] as (kind, key): few in one go, many in chunks."""
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
    """The live code with one of those digests, with all it hangs on."""
    row = (await connection.execute(text(_CONFIRM), {"digests": digests})).first()
    if row is None:
        return None
    return CodeRows(row.code, row.room, row.account, row.uses, row.change)


_RAISE: Final = """
UPDATE passcodes SET uses = uses + new.times
FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS bigint[])) AS new(id, times) WHERE passcodes.id = new.id
"""


class DatabaseSnapshot:
    """All there is, as of one instant, on a connection that has a transaction for it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def mark(self) -> Mark:
        # All rows in order of their keys: sorting them takes a quarter of the time of finding each by an index.
        await self._connection.execute("SET LOCAL enable_indexscan = off; SET LOCAL work_mem = '64MB'")
        row = await self._connection.fetchrow(_MARK)
        return Mark(row["database_id"], row["number"])

    async def of_numbers(self) -> RowChanges:
        """The access numbers, and what else is needed to serve them while codes are looked up in Postgres."""
        theirs = "id IN (SELECT account_id FROM access_numbers)"
        wanted = {"numbers": "true", "lengths": "true", "accounts": theirs}
        return {
            table: dict(await self._connection.fetch(_ROWS[table].read(condition)))
            for table, condition in wanted.items()
        }

    async def rows(self) -> AsyncIterator[tuple[str, list[tuple[bytes, bytes]]]]:
        """Tables with their rows in order of keys, a chunk at a time."""
        for table in TABLES:
            cursor = await self._connection.cursor(_ROWS[table].read("true"))
            while rows := await cursor.fetch(CHUNK):
                yield table, [tuple(row) for row in rows]


async def report_uses(connection: AsyncConnection, uses: Sequence[Use]) -> int | None:
    """Let Postgres know of uses, each once however often it is told: the number of the change from which on its figures
    count them. None when others write codes just now: try again."""
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
    # In one go: who waits for one of these rows waits for nobody that this waits for.
    await connection.execute(text(_RAISE), {"ids": list(new), "times": list(new.values())})
    return (await mark(connection)).number


async def prune(connection: AsyncConnection) -> None:
    """Drop changes that are a week old: whoever missed so many reads everything again."""
    await connection.execute(text("DELETE FROM directory_changes WHERE changed_at < now() - interval '7 days'"))


def _chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while part := list(islice(remaining, CHUNK)):
        yield part
