"""The local directory on disk: one LMDB file, memory-mapped, readable in a microsecond while it is written.

It holds keyed digests, ids and access numbers, never digits. All of it can be read from Postgres again, so a file that
is not as expected is thrown away: of another format, made under another key, or damaged.
"""

import contextlib
import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import lmdb

from bridge.domain.admission import Entry
from bridge.domain.passcode import Role

FORMAT: Final = 1
MAP_BYTES: Final = 8 << 30
"""The most the file can grow to, 30 million codes; what is not used takes neither memory nor disk."""
_META: Final = struct.Struct(">H16s16sqB")
_META_KEY: Final = b"meta"
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """What a directory knows: the changes of a database up to a number, and the longest live code's length.

    The number is -1 while only the access numbers are known.
    """

    database_id: UUID
    number: int
    longest: int


class DirectoryFile:
    """The open file. `find` and `serves` may be called from any thread, one `Writing` at a time from one thread."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._key = hashlib.sha256(b"bridge directory" + key).digest()[:_ID_BYTES]
        self._env, self.mark = _opened(path, self._key) or (_created(path), None)
        self._codes = self._env.open_db(b"codes")
        self._numbers = self._env.open_db(b"numbers")

    def find(self, digest: bytes) -> Entry | None:
        """Whom a digest admits."""
        with self._env.begin(db=self._codes) as reading:
            value = reading.get(digest)
        return None if value is None else entry_of(value)

    def serves(self, number: str) -> bool:
        """Whether an access number is known."""
        with self._env.begin(db=self._numbers) as reading:
            return bool(number) and reading.get(number.encode("utf-8", "replace")) is not None

    def begin(self) -> "Writing":
        """Begin to write; readers see nothing of it until it ends."""
        return Writing(self._env.begin(write=True), self._codes, self._numbers)

    def end(self, writing: "Writing", mark: Mark) -> None:
        """Make what was written visible at once, and remember where it stands."""
        writing.transaction.put(
            _META_KEY, _META.pack(FORMAT, self._key, mark.database_id.bytes, mark.number, mark.longest)
        )
        writing.transaction.commit()
        self.mark = mark

    def close(self) -> None:
        self._env.close()


class Writing:
    """A change of the file that is not visible yet. Belongs to the thread that began it."""

    def __init__(self, transaction: lmdb.Transaction, codes: "lmdb._Database", numbers: "lmdb._Database") -> None:
        self.transaction = transaction
        self._codes, self._numbers = codes, numbers

    def clear(self) -> None:
        """Forget all codes and numbers."""
        self.transaction.drop(self._codes, delete=False)
        self.transaction.drop(self._numbers, delete=False)

    def add_codes(self, codes: Iterable[tuple[bytes, bytes]]) -> None:
        """Add codes, as digest and packed entry, to a cleared file, in order of their digests."""
        with self.transaction.cursor(self._codes) as cursor:
            cursor.putmulti(codes, append=True)

    def put_code(self, digest: bytes, entry: bytes | None) -> None:
        """Let a digest admit, or admit no more."""
        if entry is None:
            self.transaction.delete(digest, db=self._codes)
        else:
            self.transaction.put(digest, entry, db=self._codes)

    def put_numbers(self, numbers: Mapping[str, bool]) -> None:
        """Let access numbers be known, or known no more."""
        for number, known in numbers.items():
            if known:
                self.transaction.put(number.encode(), b"", db=self._numbers)
            else:
                self.transaction.delete(number.encode(), db=self._numbers)

    def abort(self) -> None:
        self.transaction.abort()


def entry_of(value: bytes) -> Entry:
    """A packed entry: the ids of passcode, account, sub-account and room, 16 bytes each, then the role."""
    ids = [str(UUID(bytes=value[start : start + _ID_BYTES])) for start in range(0, 4 * _ID_BYTES, _ID_BYTES)]
    return Entry(ids[0], ids[1], ids[2], ids[3], Role(value[4 * _ID_BYTES :].decode("ascii")))


def _opened(path: Path, key: bytes) -> tuple[lmdb.Environment, Mark | None] | None:
    """The file that is there, if it can be read to its end and was made by this version under this key."""
    if not path.exists():
        return None
    with contextlib.suppress(lmdb.Error, struct.error):
        env = _environment(path)
        # A page that is missing at the end would kill the process that reads it.
        if path.stat().st_size >= (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
            with env.begin() as reading:
                version, made_under, database_id, number, longest = _META.unpack(reading.get(_META_KEY) or b"")
            if (version, made_under) == (FORMAT, key):
                return env, Mark(UUID(bytes=database_id), number, longest)
        env.close()
    return None


def _created(path: Path) -> lmdb.Environment:
    for former in (path, path.with_name(f"{path.name}-lock")):
        former.unlink(missing_ok=True)
    return _environment(path)


def _environment(path: Path) -> lmdb.Environment:
    # A power cut may undo the last change, which is then read from Postgres again.
    return lmdb.open(str(path), subdir=False, map_size=MAP_BYTES, max_dbs=2, mode=0o600, metasync=False)
