"""Watches that the journal can be written, and is. It looks at the file that Asterisk appends to.

It is independent of the reader for the ledger, which stands still while Postgres is away.
"""

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Final

from bridge.domain.metering import journal_line
from bridge.domain.metering.journal_line import Alive
from bridge.domain.metering.meter_health import DiskSpace, JournalSeen
from bridge.domain.period import SECOND_US

TAIL_BYTES: Final = 1 << 19
"""More bytes than Asterisk writes between two heartbeats at any load it can bear."""
_ALIVE: Final = b'"ALIVE"'


class JournalWatch:
    """Looks at one journal, and remembers when a new heartbeat was last seen in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen_to: tuple[int, int] | None = None
        self._beat_us: int | None = None
        self._seen_at: float | None = None

    def look(self) -> JournalSeen:
        """The state of the file now. Blocks for as long as the disk takes."""
        # An error here shows as `unwritable`, or in the heartbeats that do not come.
        with contextlib.suppress(OSError):
            self._read_heartbeat()
        return JournalSeen(_unwritable(self._path), room(self._path.parent), self._beat_us)

    def heartbeat_age_s(self) -> float | None:
        """Seconds since a look found a new heartbeat, None if none ever did."""
        return None if self._seen_at is None else time.monotonic() - self._seen_at

    def _read_heartbeat(self) -> None:
        # Non-blocking: if a pipe has that name, opening it must not wait.
        with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            stat = os.fstat(file.fileno())
            if self._seen_to == (stat.st_ino, stat.st_size):
                return
            file.seek(max(0, stat.st_size - TAIL_BYTES))
            heartbeat = _last_heartbeat(file.read(TAIL_BYTES))
        self._seen_to = (stat.st_ino, stat.st_size)
        if heartbeat is None or heartbeat == self._beat_us:
            return
        # Only the first heartbeat that is seen may be an old one.
        age = max(0.0, time.time() - heartbeat / SECOND_US) if self._beat_us is None else 0.0
        self._beat_us, self._seen_at = heartbeat, time.monotonic() - age


def room(folder: Path) -> DiskSpace | None:
    """The free space on the disk of a folder, None if there is no such folder."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return DiskSpace(
        disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, disk.f_favail if disk.f_files else None
    )


def _last_heartbeat(data: bytes) -> int | None:
    end = len(data)
    while (found := data.rfind(_ALIVE, 0, end)) >= 0:
        begin, stop = data.rfind(b"\n", 0, found) + 1, data.find(b"\n", found)
        fact = journal_line.parse(data[begin:stop]) if stop > 0 else None
        if isinstance(fact, Alive):
            return fact.at
        end = begin
    return None


def _unwritable(path: Path) -> str | None:
    """The reason why the file cannot be written, None if none is known.

    Asterisk may run as another user: that it cannot write shows in its missing heartbeats only.
    """
    try:
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
        if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            return f"the disk of {path.parent} is read-only"
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # rotated a moment ago, or nothing was ever written
    except OSError as error:
        if error.errno == errno.EACCES and not _ours(path):
            return None
        return f"{path} ({error.strerror})"
    os.close(handle)
    return None


def _ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False
