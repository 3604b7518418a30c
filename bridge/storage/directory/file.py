"""The local directory on disk: one LMDB file, memory-mapped, readable in a microsecond while it is written.

It holds keyed digests, ids, limits and numbers, never digits of a code. All of it can be read from Postgres again. So a
file that is damaged, of another format, or made under a key that is not in use is replaced by an empty one.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import lmdb

from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.code_lengths import LiveCodes
from bridge.storage import lmdb_file
from bridge.storage.directory import rows as directory_rows
from bridge.storage.directory.rows import ID_BYTES, CodeRows
from bridge.storage.lmdb_file import Layout, LmdbFile

FORMAT: Final = 4
TABLES: Final = ("codes", "uses", "lengths", "rooms", "accounts", "numbers", "callers", "trunks")
"""Rows by digest, passcode id, space, room id, account id, the text of a number (two tables), and trunk id."""
LAYOUT: Final = Layout(map_bytes=8 << 30, tables=TABLES)
"""8 GiB hold 30 million codes. What a power cut undoes is read from Postgres again."""
_META: Final = struct.Struct(">H16s16sq")
_META_KEY: Final = b"meta"
CHECK_BYTES: Final = 16
"""The file keeps so many bytes of the check value of the key that its digests are made under."""
_LONGEST_KEY: Final = 511

RowChanges = Mapping[str, Mapping[bytes, bytes | None]]
"""For each table its changed rows by key, None for rows that are gone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The state a directory has reached: all changes of a database up to `number`; -1 while it has only access
    numbers."""

    database_id: UUID
    number: int


class DirectoryFile:
    """The open file. Each look-up reads the state of one instant.

    One thread writes. `replace` must be called in the thread that reads.
    """

    def __init__(self, path: Path, checks: Sequence[bytes]) -> None:
        """`checks` are the check values of the keys in use, the present one first."""
        self._path = path
        self._checks = [check[:CHECK_BYTES] for check in checks]
        self._use(lmdb_file.opened(path, LAYOUT, self._is_ours) or lmdb_file.created(path, LAYOUT))
        self.mark = self._mark()

    # --- Look-ups --------------------------------------------------------------------------------------------------
    def code(self, digests: Iterable[bytes]) -> CodeRows | None:
        """Return the rows of the first live code with one of these digests, of its room, its account and its uses."""
        # This look-up is most of what a caller's last digit waits for: every Python call in it counts.
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
        """Return the row of a passcode's uses, and the number of the change up to which it counts them."""
        with self._begin() as reading:
            return reading.get(passcode_id, db=self._uses), self._change(reading)

    def lengths(self, space: bytes) -> LiveCodes:
        """Return the live codes of a code space by length."""
        with self._begin() as reading:
            return directory_rows.live_codes(reading.get(space, b"", db=self._lengths))

    def worst_lengths(self) -> tuple[LiveCodes, LiveCodes]:
        """Return the live codes of the shared space, and those of the own space that is easiest to guess in."""
        with self._begin() as reading, reading.cursor(self._lengths) as cursor:
            found = {space: directory_rows.live_codes(row) for space, row in cursor}
        return found.pop(directory_rows.SHARED, {}), max(found.values(), key=code_lengths.odds, default={})

    def room(self, room_id: bytes) -> bytes | None:
        """Return the row of a room."""
        with self._begin() as reading:
            return reading.get(room_id, db=self._rooms)

    def number(self, number: str) -> tuple[bytes, bytes | None] | None:
        """Return the row of an access number, and the row of the account that it is dedicated to, if it is."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._begin() as reading:
            row = reading.get(key, db=self._numbers)
            return None if row is None else (row, reading.get(row[:ID_BYTES], db=self._accounts))

    def trunk(self, trunk_id: bytes) -> bytes | None:
        """Return the row of a trunk."""
        with self._begin() as reading:
            return reading.get(trunk_id, db=self._tables["trunks"])

    def caller(self, number: str) -> bytes | None:
        """Return the row of a number that sub-accounts know."""
        key = number.encode("utf-8", "replace")
        if not 0 < len(key) <= _LONGEST_KEY:
            return None
        with self._begin() as reading:
            return reading.get(key, db=self._callers)

    def callers(self, number: str) -> list[tuple[bytes, bytes, bytes]] | None:
        """Return each known caller with this number who skips the code, with the rows of its room and account.

        None if no sub-account knows the number.
        """
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
        """Apply changes and the mark they lead to, in one transaction."""
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
        """Create a new file beside this one, to be filled and then to replace it."""
        return Replacement(self._path.with_name(f"{self._path.name}.new"))

    def replace(self, by: "Replacement", mark: Mark) -> Callable[[], None]:
        """Switch to another file, which was finished. Return a function that closes the former one.

        Closing takes a while, because its pages are unmapped. Any thread may do it.
        """
        former = self._file
        self._use(lmdb_file.moved(by.path, self._path, LAYOUT))
        self.mark = mark
        return former.close

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def packed(self, mark: Mark) -> bytes:
        """Return a mark as it is stored in a file of these keys."""
        return _META.pack(FORMAT, self._checks[0], mark.database_id.bytes, mark.number)

    def _use(self, file: LmdbFile) -> None:
        # Look-ups read these attributes: each step to another object would cost them time.
        self._file, self._begin, self._tables = file, file.begin, file.tables
        self._codes, self._uses, self._lengths = (self._tables[name] for name in TABLES[:3])
        self._rooms, self._accounts, self._numbers, self._callers = (self._tables[name] for name in TABLES[3:7])

    def _is_ours(self, reading: "lmdb.Transaction[bytes]") -> bool:
        """Return True if the file was made by this version under one of the keys."""
        return _made_under(reading) in self._checks

    def _mark(self) -> Mark | None:
        with self._begin() as reading:
            meta = reading.get(_META_KEY)
        if meta is None:
            return None
        _, _, database_id, number = _META.unpack(meta)
        return Mark(UUID(bytes=database_id), number)

    def _change(self, reading: "lmdb.Transaction[bytes]") -> int:
        # Not self.mark: the rows and the number must be of the same instant, and another thread writes.
        meta = reading.get(_META_KEY)
        return _META.unpack(meta)[3] if meta else -1


def made_under(path: Path) -> bytes | None:
    """Return the CHECK_BYTES of the key that a file was made under; None if no file of this format is there.

    The file must not be open. Raises OSError.
    """
    found: bytes | None = None

    def look(reading: "lmdb.Transaction[bytes]") -> bool:
        nonlocal found
        found = _made_under(reading)
        return False

    lmdb_file.opened(path, LAYOUT, look)
    return found


def _made_under(reading: "lmdb.Transaction[bytes]") -> bytes | None:
    meta = reading.get(_META_KEY) or b""
    if len(meta) != _META.size:
        return None
    version, check, _, _ = _META.unpack(meta)
    return check if version == FORMAT else None


class Replacement:
    """A new file that one thread fills, a chunk of rows at a time. It can't be used before `finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A file that a crash left unfinished is never read, so it is synced to disk only at the end.
        self._file = lmdb_file.created(path, LAYOUT, sync=False)

    def add(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Add rows to a table. They must come in order of their keys: appending is much faster than searching."""
        with self._file.begin(write=True) as writing, writing.cursor(self._file.tables[table]) as cursor:
            cursor.putmulti(rows, append=True)

    def finish(self, meta: bytes) -> None:
        """Write the mark, sync the file to disk and close it."""
        with self._file.begin(write=True) as writing:
            writing.put(_META_KEY, meta)
        self._file.finish()

    def drop(self) -> None:
        """Close and delete a file that was not finished."""
        self._file.close()
        lmdb_file.remove(self.path)
