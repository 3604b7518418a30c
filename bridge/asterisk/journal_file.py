"""The journal on disk: a file that Asterisk appends to, and its archives beside it.

A file is told by its first line (a microsecond time and a channel make it unique), so that renaming, copying and
restoring files changes nothing. Renaming the file rotates it: Asterisk opens it anew for each line.
"""

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from bridge.usecases.ports import Batch, Position

log = structlog.get_logger()

POLL_S: Final = 0.1
SYNC_S: Final = 0.2
BATCH_BYTES: Final = 1 << 20
NOTHING_YET_S: Final = 10.0
QUIET_S: Final = 1.0
"""A renamed file may still get the lines that were being written when it was renamed."""


class JournalFile:
    """One node's journal. `read` follows it for ever; `sync` keeps it safe from a power cut."""

    def __init__(self, path: Path, rotate_bytes: int) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes

    async def read(self, position: Position | None) -> AsyncIterator[Batch]:
        """Batches of whole lines that stand after `position`, or of all there are when it is None. Never ends."""
        path, offset = await self._locate(position)
        while True:
            with path.open("rb") as file:
                async for batch in self._follow(file, offset):
                    yield batch
                path, offset = self._after(file), 0

    def files(self) -> list[Path]:
        """Archives, oldest first, then the file that Asterisk writes to now."""
        archives = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))
        return [*archives, self._path] if self._path.exists() else archives

    def backlog(self, committed: Position | None) -> int:
        """Bytes that stand after `committed`, over all files."""
        size = 0
        for path in reversed(self.files()):
            try:
                length = path.stat().st_size
            except FileNotFoundError:
                continue  # archived or taken away since it was listed
            if committed is not None and _identity(path) == committed.file:
                return size + max(0, length - committed.offset)
            size += length
        return size

    async def sync(self) -> None:
        """Write what Asterisk appended through to the disk, every SYNC_S. Never ends."""
        synced = (0, 0)
        while True:
            await asyncio.sleep(SYNC_S)
            try:
                stat = self._path.stat()
                if synced != (stat.st_ino, stat.st_size):
                    await asyncio.to_thread(_sync, self._path)
                    synced = (stat.st_ino, stat.st_size)
            except FileNotFoundError:
                continue  # just rotated
            except OSError as error:
                log.error("journal_not_synced", error=str(error), mend="check the disk of BRIDGE_JOURNAL")  # noqa: TRY400

    async def _locate(self, position: Position | None) -> tuple[Path, int]:
        waiting_since, told = time.monotonic(), False
        while True:
            files = [path for path in self.files() if _identity(path) is not None]
            if position is None and files:
                return files[0], 0
            for path in files:
                if position is not None and _identity(path) == position.file:
                    return path, position.offset
            if position is not None and files and not told:
                told = True
                log.error(
                    "journal_position_lost",
                    file=position.file,
                    offset=position.offset,
                    mend="put the file whose first line has a SHA-256 that begins so back beside the journal, or "
                    "correct BRIDGE_JOURNAL; nothing is read until then, and nothing is lost",
                )
            if not files and time.monotonic() - waiting_since > NOTHING_YET_S:
                log.warning(
                    "journal_missing", path=str(self._path), mend="is Asterisk running, with cel_custom loaded?"
                )
                waiting_since = time.monotonic()
            await asyncio.sleep(POLL_S)

    async def _follow(self, file: BinaryIO, offset: int) -> AsyncIterator[Batch]:
        """Batches of one open file, until it has been rotated away, nothing more comes, and another has begun."""
        name = _first_line(file)
        quiet_since = time.monotonic()
        while True:
            if os.fstat(file.fileno()).st_size < offset:
                log.error(
                    "journal_truncated", offset=offset, mend="rotate the journal by renaming, never by truncating"
                )
                name, offset = "", 0
            name = name or _first_line(file)
            if not name:
                if self._is_over(file):
                    return  # archived before its first line was whole
                await asyncio.sleep(POLL_S)
                continue
            file.seek(offset)
            data = file.read(BATCH_BYTES)
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == BATCH_BYTES:
                whole = len(data)  # no line is that long: it will be told as garbage
            if not whole and data and time.monotonic() - quiet_since > QUIET_S and self._is_over(file):
                whole = len(data)  # the file ends in the middle of a line
            if whole:
                offset += whole
                quiet_since = time.monotonic()
                yield Batch(
                    data[:whole].split(b"\n")[: -1 if data[:whole].endswith(b"\n") else None], Position(name, offset)
                )
                continue
            if time.monotonic() - quiet_since > QUIET_S and self._is_over(file):
                return
            if not data and offset >= self._rotate_bytes and not self._is_archived(file):
                self._rotate()
            await asyncio.sleep(POLL_S)

    def _is_archived(self, file: BinaryIO) -> bool:
        try:
            return self._path.stat().st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return True

    def _is_over(self, file: BinaryIO) -> bool:
        """Whether another file has begun after this one."""
        return self._is_archived(file) and self._path.exists() and _identity(self._path) is not None

    def _after(self, file: BinaryIO) -> Path:
        name = _first_line(file)
        files = self.files()
        for path, following in itertools.pairwise(files):
            if _identity(path) == name:
                return following
        return files[-1]

    def _rotate(self) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        archive = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
        self._path.rename(archive)
        log.info("journal_rotated", archive=archive.name)


def _first_line(file: BinaryIO) -> str:
    file.seek(0)
    line = file.readline(BATCH_BYTES)
    return hashlib.sha256(line).hexdigest()[:32] if line.endswith(b"\n") or len(line) == BATCH_BYTES else ""


def _identity(path: Path) -> str | None:
    """What tells this file from every other, or None while its first line is not whole."""
    try:
        with path.open("rb") as file:
            return _first_line(file) or None
    except FileNotFoundError:
        return None


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
