"""The files of the journal in order: its archives, whoever made them, and the live file that Asterisk appends to."""

import os
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bridge.asterisk.journal import content as journal_content
from bridge.asterisk.journal.content import Content, Head
from bridge.usecases.metering.ports import Position

log = structlog.get_logger()

SETTLED_S: Final = 1.0
"""A folder's time of change is coarse: within this time it does not show whether there was another change."""
BEGUN_S: Final = 60.0
FOREIGN: Final = (".bz2", ".xz", ".zst", ".lz4", ".zip")
"""Files of these kinds cannot be read here. Reading waits until somebody unpacks the one that is needed."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of the journal. `began` is the first time in it, seconds since 1970; `size` counts unpacked bytes."""

    path: Path
    identity: str
    began: float
    size: int
    packed: bool
    live: bool

    @property
    def order(self) -> tuple[float, str]:
        return self.began, self.identity


class JournalFiles:
    """All files of one journal. The methods block on the disk; threads may share an instance."""

    def __init__(self, path: Path, archive: Path | None = None) -> None:
        self.path = path
        self.folder = archive or path.parent
        self._lock = threading.Lock()
        self._heads: dict[tuple[int, int, int, int], tuple[Head, int, bool]] = {}
        self._archives: list[ListedFile] = []
        self._listed_at: tuple[int, ...] | None = None
        self._unreadable: set[tuple[Path, str]] = set()

    def parts(self) -> list[ListedFile]:
        """Archives, oldest first, then the live file."""
        live = self.live()  # first: one that is rotated meanwhile is then listed twice rather than not at all
        return [*self.archives(), live] if live else self.archives()

    def live(self) -> ListedFile | None:
        """The file that Asterisk writes to now, once it holds a line with a time."""
        # Never cached: this file may get the inode of a removed archive, and its size says nothing.
        try:
            with journal_content.opened(self.path) as content:
                head, status = journal_content.head(content, over=False), content.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._log_once(self.path, error)
            return None
        if head is None:
            return None
        return ListedFile(self.path, head.identity, _began(head, status), status.st_size, packed=False, live=True)

    def archives(self) -> list[ListedFile]:
        """The archives, ordered by the first time in each: whoever rotates or restores files chooses names and dates.

        Copies of one file stand side by side, plain before gzipped (which may not be finished) and long before short.
        """
        with self._lock:
            folders = {self.path.parent, self.folder}
            changed_at = tuple(_changed_at(folder) for folder in folders)
            if changed_at != self._listed_at:
                now = time.time()
                self._archives, settled = self._list(folders, now)
                settled &= all(now - at / 1e9 > SETTLED_S for at in changed_at)
                self._listed_at = changed_at if settled else None
            return self._archives

    def after(self, part: ListedFile) -> ListedFile | None:
        """The file to read once `part` has been read to its end, None if it has not begun."""
        live = self.live()  # first: one that is rotated meanwhile is then found among the archives
        for archive in self.archives():
            if archive.order > part.order and archive.identity != part.identity:
                return archive
        return live

    def copies(self, identity: str) -> list[ListedFile]:
        """The files of this identity, the live one first."""
        parts = self.parts()
        return sorted((part for part in parts if part.identity == identity), key=lambda part: not part.live)

    def length(self, part: ListedFile) -> int:
        """The number of unpacked bytes now; 0 if the file has gone."""
        if part.packed:
            return part.size
        try:
            return part.path.stat().st_size
        except FileNotFoundError:
            return 0

    def open(self, part: ListedFile) -> Content | None:
        """The content of `part`, None if another file has taken its name meanwhile. Raises OSError."""
        try:
            content = journal_content.opened(part.path)
        except FileNotFoundError:
            return None
        try:
            head = journal_content.head(content, over=not part.live)
            if head is not None and head.identity == part.identity:
                return content
        except OSError:
            content.close()
            raise
        content.close()
        return None

    def find(self, place: Position) -> tuple[ListedFile, bool] | None:
        """The file that a place belongs to, and True if the place is in its content. Raises OSError."""
        named = self.copies(journal_content.identity(place))
        for part in named:
            content = self.open(part)
            if content is None:
                continue
            with content:
                if journal_content.stands(content, place):
                    return part, True
        return (named[0], False) if named else None

    def _list(self, folders: set[Path], now: float) -> tuple[list[ListedFile], bool]:
        """The archives in order, and True if they stay the same until a folder changes."""
        archives, heads, settled = [], {}, True
        for folder in folders:
            for path, status in self._candidates(folder):
                key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                known = self._heads.get(key) or self._probe(path)
                if known is None:
                    settled &= now - status.st_mtime > BEGUN_S
                    continue
                heads[key] = known
                head, size, packed = known
                archives.append(ListedFile(path, head.identity, _began(head, status), size, packed, live=False))
        self._heads = heads
        archives.sort(key=lambda part: (part.order, part.packed, -part.size))
        return archives, settled

    def _candidates(self, folder: Path) -> list[tuple[Path, os.stat_result]]:
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if (
                        name.startswith((f"{self.path.stem}-", f"{self.path.stem}."))
                        and self.path.suffix in name
                        and not name.endswith(FOREIGN)
                        and Path(entry.path) != self.path
                    ):
                        try:
                            status = entry.stat()
                        except FileNotFoundError:
                            continue  # renamed or removed since it was listed
                        if stat.S_ISREG(status.st_mode):
                            found.append((Path(entry.path), status))
        except OSError as error:
            self._log_once(folder, error)
        return found

    def _probe(self, path: Path) -> tuple[Head, int, bool] | None:
        try:
            with journal_content.opened(path) as content:
                head = journal_content.head(content, over=True)
                return (head, content.size(), content.packed) if head else None
        except FileNotFoundError:
            return None
        except OSError as error:
            self._log_once(path, error)
            return None

    def _log_once(self, path: Path, error: OSError) -> None:
        trouble = (path, str(error))
        if trouble not in self._unreadable:
            self._unreadable.add(trouble)
            log.error(
                "journal_unreadable",
                path=str(path),
                error=str(error),
                mend="let the daemon's user read it; what it holds is not metered until then",
            )


def _began(head: Head, status: os.stat_result) -> float:
    return head.began if head.began is not None else status.st_mtime


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
