"""LMDB files: a memory-mapped file with named tables, read in microseconds while one thread writes.

Each file has mode 0600. A file that is damaged or of another format is never read: `opened` refuses it, and its owner
begins a new one. Beside each file LMDB keeps a lock file, `NAME-lock`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lmdb

from bridge.domain.errors import Unavailable

UNUSABLE: Final = (lmdb.Error,)
"""Every error of LMDB: for files that can be filled again from elsewhere."""
DAMAGED: Final = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError)
"""Errors that no retry and no repair of the disk's rights will mend: for files that exist nowhere else."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`map_bytes` is the most that the file can grow to; what it does not use takes neither memory nor disk.

    Without `metasync`, a power cut may undo the last transaction. It never leaves the file inconsistent.
    """

    map_bytes: int
    tables: tuple[str, ...] = ()
    metasync: bool = False


class LmdbFile:
    """An open file. `begin` begins a transaction: with `write=True` one that writes, else one that reads.

    `begin` is LMDB's own method, without a wrapper, because a caller's last digit waits for it.
    """

    def __init__(self, path: Path, layout: Layout, *, sync: bool = True) -> None:
        """Raises lmdb.Error. Without `sync` nothing is safe on disk before `finish`."""
        self.path = path
        self._layout = layout
        self._env = lmdb.open(
            str(path),
            subdir=False,
            map_size=layout.map_bytes,
            max_dbs=len(layout.tables),
            mode=0o600,
            sync=sync,
            metasync=layout.metasync,
        )
        self.begin = self._env.begin
        self.tables: dict[str, lmdb._Database] = {}

    def open_tables(self) -> None:
        """Open the tables of the layout, and create those that are missing."""
        self.tables = {name: self._env.open_db(name.encode()) for name in self._layout.tables}

    @property
    def whole(self) -> bool:
        """True if the file reaches to its last page. Reading a page behind its end would kill the process (SIGBUS)."""
        return bool(self.path.stat().st_size >= (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def finish(self) -> None:
        """Make everything safe on disk, and close the file for good: it is ready to be moved."""
        self._env.sync(True)
        self.close()
        _lock_of(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; again, this does nothing. No transaction may be open."""
        self._env.close()


def opened(
    path: Path,
    layout: Layout,
    is_ours: Callable[["lmdb.Transaction[bytes]"], bool] = lambda _: True,
    unusable: tuple[type[Exception], ...] = UNUSABLE,
) -> LmdbFile | None:
    """Open the file that is there. Return None if there is none, or if it is of no use.

    It is of no use if it fails with an error of `unusable`, if its end is missing, or if `is_ours`, given a transaction
    that reads, does not know its format. Raises lmdb.Error for all other errors.
    """
    if not path.exists():
        return None
    with contextlib.suppress(*unusable), contextlib.ExitStack() as unless_good:
        file = LmdbFile(path, layout)
        unless_good.callback(file.close)
        if file.whole:
            with file.begin() as reading:
                good = is_ours(reading)
            if good:
                file.open_tables()
                unless_good.pop_all()
                return file
    return None


def created(path: Path, layout: Layout, *, sync: bool = True) -> LmdbFile:
    """Create an empty file with its tables, in the place of any that is there. Raises lmdb.Error, OSError."""
    remove(path)
    file = LmdbFile(path, layout, sync=sync)
    file.open_tables()
    return file


def moved(source: Path, target: Path, layout: Layout) -> LmdbFile:
    """Move a finished file to the place of another, and open it there. Raises lmdb.Error, OSError.

    Whoever has the other file open goes on reading its content until they close it.
    """
    _lock_of(target).unlink(missing_ok=True)
    source.replace(target)
    file = LmdbFile(target, layout)
    file.open_tables()
    return file


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that a person can look at it, and return its new path. Raises OSError."""
    return path.replace(path.with_name(f"{path.name}.damaged"))


def remove(path: Path) -> None:
    """Delete a file and its lock file, if they are there. Raises OSError."""
    for each in (path, _lock_of(path)):
        each.unlink(missing_ok=True)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Run a block that uses the file: errors of LMDB and of the disk become Unavailable, which names the file."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise Unavailable(f"{path} can't be used ({error}): has its disk room, and may we write there?") from error


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-lock")
