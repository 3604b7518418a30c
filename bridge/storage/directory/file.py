"""The local directory on disk: one LMDB file, memory-mapped, readable in a microsecond while it is written.

It holds keyed digests, ids, limits and numbers, never digits of a code. All of it can be read from Postgres again, so a
file that is not as expected is thrown away: of another format, made under a key that is not in use, or damaged.
"""

import contextlib
import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import lmdb

from bridge.storage.directory import rows as directory_rows
from bridge.storage.directory.rows import ID_BYTES, Found

FORMAT: Final = 2
MAP_BYTES: Final = 8 << 30
"""The most the file can grow to, 30 million codes; what is not used takes neither memory nor disk."""
TABLES: Final = ("codes", "uses", "lengths", "rooms", "accounts", "numbers", "callers")
"""Rows by digest, passcode id, space, id, id, and the texts of numbers."""
_META: Final = struct.Struct(">H16s16sq")
_META_KEY: Final = b"meta"
_LONGEST_KEY: Final = 511

Changes = Mapping[str, Mapping[bytes, bytes | None]]
"""For each table its changed rows, None for those that are gone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a directory knows: the changes of a database up to a number, -1 while only the access numbers are known."""

    database_id: UUID
    number: int


class DirectoryFile:
    """The open file. Each answer is as of one instant. One thread writes; `replace` belongs to the one that reads."""

    def __init__(self, path: Path, keys: Sequence[bytes]) -> None:
        self._path = path
        self._keys = [hashlib.sha256(b"bridge directory" + key).digest()[:ID_BYTES] for key in keys]
        self._env, self.mark = _opened(path, self._keys) or (_created(path), None)
        self._open_tables()

    # --- Answers --------------------------------------------------------------------------------------------------
    def code(self, digests: Iterable[bytes]) -> Found | None:
        """The first of the codes with those digests that there is, with all it hangs on."""
        # Each call costs: this is most of what a caller's last digit waits for.
        with self._env.begin() as reading:
            get = reading.get
            for digest in digests:
                if (code := get(digest, None, self._codes)) is not None:
                    break
            else:
                return None
            room = get(code[ID_BYTES : 2 * ID_BYTES], None, self._rooms)
            account = get(directory_rows.account_of(room), None, self._accounts) if room else None
            if not (room and account):
                return None
            if len(code) == directory_rows.PLAIN_CODE_BYTES:
                return Found(code, room, account, None, 0)
            uses = get(code[:ID_BYTES], None, self._uses)
            return Found(code, room, account, uses, self._change(reading))

    def uses(self, passcode_id: bytes) -> tuple[bytes | None, int]:
        """The row of a passcode's uses, and the number of the change it is as of."""
        with self._env.begin() as reading:
            return reading.get(passcode_id, db=self._uses), self._change(reading)

    def longest(self, space: bytes) -> int:
        with self._env.begin() as reading:
            return int.from_bytes(reading.get(space, b"", db=self._lengths), "big")

    def room(self, room_id: bytes) -> bytes | None:
        with self._env.begin() as reading:
            return reading.get(room_id, db=self._rooms)

    def number(self, number: str) -> tuple[bytes, bytes | None] | None:
        """The rows of an access number, and of the account that it is dedicated to."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._env.begin() as reading:
            row = reading.get(key, db=self._numbers)
            return None if row is None else (row, reading.get(row[:ID_BYTES], db=self._accounts))

    def callers(self, number: str) -> list[tuple[bytes, bytes, bytes]] | None:
        """The known callers of a number that skip the code, with the rows of room and account; None when nobody knows
        it."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._env.begin() as reading:
            row = reading.get(key, db=self._callers)
            if row is None:
                return None
            found = []
            for caller, room_id in directory_rows.callers(row):
                room = reading.get(room_id, db=self._rooms)
                account = reading.get(directory_rows.account_of(room), db=self._accounts) if room else None
                if room and account:
                    found.append((caller, room, account))
            return found

    # --- Changes --------------------------------------------------------------------------------------------------
    def write(self, changes: Changes, mark: Mark) -> None:
        """Make changes visible at once, all of them, and remember where it stands."""
        with self._env.begin(write=True) as writing:
            for name, rows in changes.items():
                table = self._tables[name]
                for key, row in rows.items():
                    if row is None:
                        writing.delete(key, db=table)
                    else:
                        writing.put(key, row, db=table)
            writing.put(_META_KEY, self.packed(mark))
        self.mark = mark

    def replacement(self) -> "Replacement":
        """A new file beside this one, to be filled and then to take its place."""
        return Replacement(self._path.with_name(f"{self._path.name}.new"))

    def replace(self, by: "Replacement", mark: Mark) -> Callable[[], None]:
        """Go on with another file, which was finished. What is given back lets go of the former one, which takes a
        while, in any thread."""
        former = self._env
        _lock_of(self._path).unlink(missing_ok=True)
        by.path.replace(self._path)
        self._env, self.mark = _environment(self._path), mark
        self._open_tables()
        return former.close

    def close(self) -> None:
        self._env.close()

    def packed(self, mark: Mark) -> bytes:
        """A mark as a file of these keys bears it."""
        return _META.pack(FORMAT, self._keys[0], mark.database_id.bytes, mark.number)

    def _open_tables(self) -> None:
        self._tables = {name: self._env.open_db(name.encode()) for name in TABLES}
        self._codes, self._uses, self._lengths = (self._tables[name] for name in TABLES[:3])
        self._rooms, self._accounts, self._numbers, self._callers = (self._tables[name] for name in TABLES[3:])

    def _change(self, reading: "lmdb.Transaction[bytes]") -> int:
        # Not self.mark: rows and number have to be of one instant.
        meta = reading.get(_META_KEY)
        return _META.unpack(meta)[3] if meta else -1


class Replacement:
    """A new file, written a chunk of rows at a time, by one thread. It is worth nothing before `finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # What a crash leaves of it is never read: syncing waits until the end.
        self._env = _created(path, sync=False)
        self._tables = {name: self._env.open_db(name.encode()) for name in TABLES}

    def add(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Add rows to a table, in order of their keys."""
        with self._env.begin(write=True) as writing, writing.cursor(self._tables[table]) as cursor:
            cursor.putmulti(rows, append=True)

    def finish(self, meta: bytes) -> None:
        """Make it whole, and safe on disk."""
        with self._env.begin(write=True) as writing:
            writing.put(_META_KEY, meta)
        self._env.sync(True)
        self._env.close()
        _lock_of(self.path).unlink(missing_ok=True)

    def drop(self) -> None:
        """Let go of what was never finished."""
        self._env.close()
        for file in (self.path, _lock_of(self.path)):
            file.unlink(missing_ok=True)


def _opened(path: Path, keys: Sequence[bytes]) -> tuple[lmdb.Environment, Mark | None] | None:
    """The file that is there, if it can be read to its end and was made by this version under one of the keys."""
    if not path.exists():
        return None
    with contextlib.suppress(lmdb.Error, struct.error), contextlib.ExitStack() as unless_good:
        env = _environment(path)
        unless_good.callback(env.close)
        # A page that is missing at the end would kill the process that reads it.
        if path.stat().st_size >= (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
            with env.begin() as reading:
                version, made_under, database_id, number = _META.unpack(reading.get(_META_KEY) or b"")
            if version == FORMAT and made_under in keys:
                unless_good.pop_all()
                return env, Mark(UUID(bytes=database_id), number)
    return None


def _created(path: Path, *, sync: bool = True) -> lmdb.Environment:
    for former in (path, _lock_of(path)):
        former.unlink(missing_ok=True)
    return _environment(path, sync=sync)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-lock")


def _environment(path: Path, *, sync: bool = True) -> lmdb.Environment:
    # A power cut may undo the last change, which is then read from Postgres again.
    return lmdb.open(
        str(path), subdir=False, map_size=MAP_BYTES, max_dbs=len(TABLES), mode=0o600, sync=sync, metasync=False
    )
