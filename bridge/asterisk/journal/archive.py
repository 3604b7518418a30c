"""Housekeeping of the journal's archives: gzips archives that are committed, and removes those that are old enough."""

import itertools
import math
import os
import stat
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from bridge.asterisk.journal import content
from bridge.asterisk.journal.content import GZIP_WBITS, Content
from bridge.asterisk.journal.files import JournalFiles, ListedFile
from bridge.asterisk.journal.sync import sync_folder
from bridge.host import private_files
from bridge.usecases.metering.ports import Position

log = structlog.get_logger()

DAY_S: Final = 86400.0
RESTING_S: Final = 10.0
"""A file that was written to or renamed so recently is left alone."""
UNFINISHED: Final = ".part"
"""The end of a name of an archive that is still being written."""
LEVEL: Final = 6


class Archivist:
    """Keeps one journal's archives. `round` blocks, for seconds at times; `stop` makes it end early."""

    def __init__(self, files: JournalFiles, keep_days: int) -> None:
        self._files = files
        self._keep_s = keep_days * DAY_S
        self._stopping = threading.Event()
        self._troubles: set[str] = set()

    def stop(self) -> None:
        self._stopping.set()

    def round(self, committed: Position | None) -> None:
        """Gzip and remove what is due now. A failure is logged once, and tried again in the next round."""
        troubles = set(self._troubles_of(committed))
        for trouble in sorted(troubles - self._troubles):
            log.error(
                "journal_not_archived",
                error=trouble,
                mend="make room in the folder of BRIDGE_JOURNAL_ARCHIVE and let the daemon's user write there; it is "
                "tried again each minute, and minutes are metered all the same",
            )
        self._troubles = troubles

    def _troubles_of(self, committed: Position | None) -> Iterator[str]:
        try:
            for unfinished in self._files.folder.glob(f".{self._files.path.stem}-*{UNFINISHED}"):
                unfinished.unlink()
            done = self._done(committed) if committed else []
        except OSError as error:
            yield str(error)
            return
        if not self._files.folder.is_dir():
            # Never created here: the disk that belongs there may not be mounted.
            yield f"{self._files.folder} is not there"
            return
        # By the clock or by the journal, whichever is earlier: a clock that is wrong by years must remove no archive.
        now = min([time.time(), *(end for _, end in done[-1:])])
        for part, end in done:
            if self._stopping.is_set():
                return
            try:
                self._keep(part, end, now)
            except FileNotFoundError:
                continue  # renamed or removed by whoever else rotates
            except OSError as error:
                yield str(error)

    def _done(self, committed: Position) -> list[tuple[ListedFile, float]]:
        """Archives that will not be read again, each with the time at which the next file begins."""
        found = self._files.find(committed)
        if found is None or not found[1]:
            return []
        here, done, end, later = found[0], [], math.inf, None
        for part in reversed(self._files.parts()):
            if later is not None and later.identity != part.identity:
                end = later.began
            later = part
            if part.identity != here.identity and not part.live and (here.live or part.order < here.order):
                done.append((part, end))
        return done[::-1]

    def _keep(self, part: ListedFile, end: float, now: float) -> None:
        status = part.path.stat()
        if self._keep_s and end < now - self._keep_s:
            part.path.unlink()
            log.info("journal_pruned", archive=part.path.name)
        elif not part.packed and time.time() - status.st_ctime > RESTING_S:
            self._pack(part)

    # --- Packing --------------------------------------------------------------------------------------------------
    def _pack(self, part: ListedFile) -> None:
        plain = self._files.open(part)
        if plain is None:
            return
        with plain:
            for target in self._targets(part):
                if not target.exists() and not self._write(plain, target):
                    return
                with content.opened(target) as packed:
                    if not _holds(packed, plain):
                        continue  # another copy of the same file, longer or shorter
                before, now = plain.stat(), part.path.stat()
                if (before.st_dev, before.st_ino) == (now.st_dev, now.st_ino):
                    part.path.unlink()
                    log.info("journal_packed", archive=target.name)
                return

    def _targets(self, part: ListedFile) -> Iterator[Path]:
        """Names made from the content, so that a name which others use again and again (`.1`) stays theirs."""
        stamp = datetime.fromtimestamp(part.began, UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = self._files.path
        for number in itertools.count():
            name = f"{path.stem}-{stamp}-{part.identity[:8]}{f'-{number}' if number else ''}{path.suffix}.gz"
            yield self._files.folder / name

    def _write(self, plain: Content, target: Path) -> bool:
        """Write `target` as a whole, synced to the disk, or not at all. Return False if stopped."""
        unfinished = target.with_name(f".{target.name}{UNFINISHED}")
        status = plain.stat()
        try:
            with private_files.replacing(unfinished) as file:
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
                packer = zlib.compressobj(LEVEL, wbits=GZIP_WBITS)
                offset = 0
                while data := plain.read_at(offset, content.BLOCK):
                    if self._stopping.is_set():
                        return False
                    file.write(packer.compress(data))
                    offset += len(data)
                file.write(packer.flush())
                file.flush()
                os.fsync(file.fileno())
            os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
            unfinished.rename(target)
            sync_folder(target.parent)
        finally:
            unfinished.unlink(missing_ok=True)
        return True


def _holds(packed: Content, plain: Content) -> bool:
    """Return True if `packed`, read back, has all of `plain`."""
    offset = 0
    while data := plain.read_at(offset, content.BLOCK):
        if packed.read_at(offset, len(data)) != data:
            return False
        offset += len(data)
    packed.read_at(offset, 1)  # on to the checksum at its end
    return not packed.damaged
