"""The local directory on disk: one LMDB file, memory-mapped, readable in a microsecond while it is written.

It holds keyed digests, ids, limits and numbers, never digits of a code. All of it can be read from Postgres again, so a
file that is not as expected is thrown away: of another format, made under a key that is not in use, or damaged.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import lmdb

from bridge.storage import lmdb_file
from bridge.storage.directory import rows as directory_rows
from bridge.storage.directory.rows import ID_BYTES, CodeRows
from bridge.storage.lmdb_file import Layout, LmdbFile

FORMAT: Final = 2
TABLES: Final = ("codes", "uses", "lengths", "rooms", "accounts", "numbers", "callers")
"""Rows by digest, passcode id, space, room id, account id, and (the last two) the text of a number."""
LAYOUT: Final = Layout(map_bytes=8 << 30, tables=TABLES)
"""8 GiB hold 30 million codes. What a power cut undoes is read from Postgres again."""
_META: Final = struct.Struct(">H16s16sq")
_META_KEY: Final = b"meta"
_LONGEST_KEY: Final = 511

RowChanges = Mapping[str, Mapping[bytes, bytes | None]]
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
        self._use(lmdb_file.opened(path, LAYOUT, self._is_ours) or lmdb_file.created(path, LAYOUT))
        self.mark = self._mark()

    # --- Answers --------------------------------------------------------------------------------------------------
    def code(self, digests: Iterable[bytes]) -> CodeRows | None:
        """The first of the codes with those digests that there is, with all it hangs on."""
        # Each call costs: this is most of what a caller's last digit waits for.
        with self._begin() as reading:
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
                return CodeRows(code, room, account, None, 0)
            uses = get(code[:ID_BYTES], None, self._uses)
            return CodeRows(code, room, account, uses, self._change(reading))

    def uses(self, passcode_id: bytes) -> tuple[bytes | None, int]:
        """The row of a passcode's uses, and the number of the change it is as of."""
        with self._begin() as reading:
            return reading.get(passcode_id, db=self._uses), self._change(reading)

    def longest(self, space: bytes) -> int:
        with self._begin() as reading:
            return int.from_bytes(reading.get(space, b"", db=self._lengths), "big")

    def room(self, room_id: bytes) -> bytes | None:
        with self._begin() as reading:
            return reading.get(room_id, db=self._rooms)

    def number(self, number: str) -> tuple[bytes, bytes | None] | None:
        """The rows of an access number, and of the account that it is dedicated to."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._begin() as reading:
            row = reading.get(key, db=self._numbers)
            return None if row is None else (row, reading.get(row[:ID_BYTES], db=self._accounts))

    def callers(self, number: str) -> list[tuple[bytes, bytes, bytes]] | None:
        """The known callers of a number that skip the code, with the rows of room and account; None when nobody knows
        it."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._begin() as reading:
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
    def write(self, changes: RowChanges, mark: Mark) -> None:
        """Make changes visible at once, all of them, and remember where it stands."""
        with self._begin(write=True) as writing:
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
        former = self._file
        self._use(lmdb_file.moved(by.path, self._path, LAYOUT))
        self.mark = mark
        return former.close

    def close(self) -> None:
        self._file.close()

    def packed(self, mark: Mark) -> bytes:
        """A mark as a file of these keys bears it."""
        return _META.pack(FORMAT, self._keys[0], mark.database_id.bytes, mark.number)

    def _use(self, file: LmdbFile) -> None:
        # Look-ups read these attributes: each step to another object would cost them time.
        self._file, self._begin, self._tables = file, file.begin, file.tables
        self._codes, self._uses, self._lengths = (self._tables[name] for name in TABLES[:3])
        self._rooms, self._accounts, self._numbers, self._callers = (self._tables[name] for name in TABLES[3:])

    def _is_ours(self, reading: "lmdb.Transaction[bytes]") -> bool:
        """Return True if the file was made by this version under one of the keys."""
        meta = reading.get(_META_KEY) or b""
        if len(meta) != _META.size:
            return False
        version, made_under, _, _ = _META.unpack(meta)
        return version == FORMAT and made_under in self._keys

    def _mark(self) -> Mark | None:
        with self._begin() as reading:
            meta = reading.get(_META_KEY)
        if meta is None:
            return None
        _, _, database_id, number = _META.unpack(meta)
        return Mark(UUID(bytes=database_id), number)

    def _change(self, reading: "lmdb.Transaction[bytes]") -> int:
        # Not self.mark: rows and number have to be of one instant.
        meta = reading.get(_META_KEY)
        return _META.unpack(meta)[3] if meta else -1


class Replacement:
    """A new file, written a chunk of rows at a time, by one thread. It is worth nothing before `finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # What a crash leaves of it is never read: syncing waits until the end.
        self._file = lmdb_file.created(path, LAYOUT, sync=False)

    def add(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Add rows to a table, in order of their keys."""
        with self._file.begin(write=True) as writing, writing.cursor(self._file.tables[table]) as cursor:
            cursor.putmulti(rows, append=True)

    def finish(self, meta: bytes) -> None:
        """Make it whole, and safe on disk."""
        with self._file.begin(write=True) as writing:
            writing.put(_META_KEY, meta)
        self._file.finish()

    def drop(self) -> None:
        """Let go of what was never finished."""
        self._file.close()
        lmdb_file.remove(self.path)
