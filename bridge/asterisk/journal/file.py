"""The journal on disk: a file that Asterisk appends to, and its archives, wherever they are.

Renaming the file rotates it: Asterisk opens it anew for each line.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from bridge.asterisk.journal import content
from bridge.asterisk.journal import reader as journal_reader
from bridge.asterisk.journal.archive import Archivist
from bridge.asterisk.journal.files import JournalFiles
from bridge.asterisk.journal.reader import Reader
from bridge.asterisk.journal.sync import Syncer
from bridge.usecases.metering.ports import Batch, Position

log = structlog.get_logger()

POLL_S: Final = 0.25
"""Lines that come within this time are committed together: a commit takes CPU time, which digits then wait for."""
SYNC_S: Final = 0.2
TIDY_S: Final = 60.0


class JournalFile:
    """One node's journal. `read` follows it for ever, `sync` keeps it safe from a power cut, `tidy` keeps its archives.

    Archives are gzipped into the folder `archive`, which must exist and be of this node alone; by default it is the
    journal's own folder. They are kept for `keep_days`, or for ever if that is 0.
    """

    def __init__(self, path: Path, rotate_bytes: int, archive: Path | None = None, keep_days: int = 0) -> None:
        self._files = JournalFiles(path, archive)
        self._rotate_bytes = rotate_bytes
        self._keep_days = keep_days

    async def read(self, position: Position | None) -> AsyncIterator[Batch]:
        """Yield batches of whole lines after `position`, or of all lines if it is None. Never ends."""
        with closing(Reader(self._files, position, self._rotate_bytes)) as reader:
            while True:
                batch = await asyncio.to_thread(reader.take)
                if batch is not None:
                    yield batch
                if batch is None or not reader.behind:
                    await asyncio.sleep(POLL_S)

    def history(self, since: float | None) -> Iterator[tuple[str, int, bytes]]:
        """Yield all present lines in order, as (file identity, byte offset in the unpacked file, line).

        Begins with the last file that begins no later than `since` (seconds since 1970), or with the oldest. Raises
        BridgeError for an archive that cannot be unpacked.
        """
        return journal_reader.history(self._files, since)

    def backlog(self, committed: Position | None) -> int:
        """The number of unpacked bytes after `committed`, over all files."""
        identity = content.identity(committed) if committed else None
        size = 0
        for found, copies in itertools.groupby(reversed(self._files.parts()), lambda part: part.identity):
            length = max(map(self._files.length, copies))
            if committed is not None and found == identity:
                return size + max(0, length - committed.offset)
            size += length
        return size

    async def sync(self) -> None:
        """Sync what Asterisk appended to the disk, every SYNC_S. Never ends."""
        logged = ""
        with Syncer(self._files.path) as syncer:
            while True:
                await asyncio.sleep(SYNC_S)
                try:
                    await asyncio.to_thread(syncer.round)
                    logged = ""
                except OSError as error:
                    if logged != str(error):
                        logged = str(error)
                        log.error("journal_not_synced", error=logged, mend="check the disk of BRIDGE_JOURNAL")  # noqa: TRY400

    async def tidy(self, committed: Callable[[], Position | None]) -> None:
        """Gzip archives that are fully committed and remove old ones, every TIDY_S. Never ends."""
        archivist = Archivist(self._files, self._keep_days)
        try:
            while True:
                await asyncio.to_thread(archivist.round, committed())
                await asyncio.sleep(TIDY_S)
        finally:
            archivist.stop()
