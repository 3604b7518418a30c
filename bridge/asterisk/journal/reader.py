"""Reads the journal from a place on, file after file, whatever is done to the files meanwhile."""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from bridge.asterisk.journal import content as journal_content
from bridge.asterisk.journal.content import MARK, Content
from bridge.asterisk.journal.files import JournalFiles, ListedFile
from bridge.domain.errors import BridgeError
from bridge.usecases.metering.ports import Batch, Position

log = structlog.get_logger()

NOTHING_YET_S: Final = 10.0
RECENT: Final = 1 << 16
"""So many of the bytes that were read last are remembered, to recognise a file whose end was cut off."""
NOT_ROTATED: Final = "journal_not_rotated"
QUIET_S: Final = 1.0
"""A renamed file is taken for complete after so long: it may still get lines that were being written at that moment."""


class Reader:
    """Follows one journal. `take` and `close` block on the disk, and may be called from any thread."""

    def __init__(self, files: JournalFiles, place: Position | None, rotate_bytes: int) -> None:
        self._files = files
        self._place = place
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._part: ListedFile | None = None
        self._content: Content | None = None
        self._offset = 0
        self._mark = b""
        self._seen = (-1, -1)
        self._fresh_at = self._waiting_since = time.monotonic()
        self._truncated = False
        self._recent = b""
        self._again = False
        self._behind = False
        self._logged: dict[str, str] = {}

    def take(self) -> Batch | None:
        """The next whole lines, None if there are none for now."""
        with self._lock:
            try:
                return self._take()
            except OSError as error:
                self._leave()
                self._log_once("journal_unreadable", str(error), "check the disk of BRIDGE_JOURNAL and who may read it")
                return None

    @property
    def behind(self) -> bool:
        """True if the last batch did not reach the end of what Asterisk had written by then."""
        return self._behind

    def close(self) -> None:
        with self._lock:
            self._leave()

    def _take(self) -> Batch | None:
        while True:
            if self._content is None and not self._arrive():
                return None
            data = self._read()
            if data is None:
                self._truncated = True
                self._leave()
                continue
            whole = journal_content.whole(data)
            if whole:
                return self._give(data[:whole])
            following = self._following(self._offset + len(data))
            if following is None:
                return None
            if data and (self._part is None or following.identity != self._part.identity):
                return self._give(data)  # the file ends in the middle of a line
            if not self._enter(following):
                return None

    # --- Within a file --------------------------------------------------------------------------------------------
    def _read(self) -> bytes | None:
        """The bytes at our place. None if the place is no longer in the file: it was truncated or written anew."""
        assert self._content is not None
        assert self._part is not None
        data, status = self._content.read_at(self._offset, journal_content.BLOCK), self._content.stat()
        seen = (status.st_size, status.st_mtime_ns)
        if self._content.packed or (not data and seen == self._seen):
            return data
        # Checked after reading, so that bytes which came after a truncation are not taken.
        if journal_content.before(self._content, self._offset) != self._mark:
            return None
        if not self._offset:
            head = journal_content.head(self._content, over=not self._part.live)
            if head is None or head.identity != self._part.identity:
                return None
        self._seen = seen
        return data

    def _give(self, data: bytes) -> Batch:
        assert self._part is not None
        self._offset += len(data)
        self._mark = (self._mark + data[-MARK:])[-MARK:]
        self._recent = (self._recent + data)[-RECENT:]
        again, self._again = self._again, False
        self._fresh_at = time.monotonic()
        self._logged = {event: what for event, what in self._logged.items() if event == NOT_ROTATED}
        self._place = journal_content.position(self._part.identity, self._offset, self._mark)
        self._behind = not self._is_live() or len(data) > journal_content.BLOCK // 2
        if not self._behind:
            self._rotate()
        return Batch(journal_content.lines(data), self._place, again)

    def _rotate(self) -> None:
        """Rename the live file once it is long enough and read to its end. Asterisk begins another."""
        if self._offset < self._rotate_bytes:
            return
        path = self._files.path
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        archive = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        if archive.exists():
            return  # the clock was set back; the next instant will do
        try:
            path.rename(archive)
        except OSError as error:
            self._log_once(NOT_ROTATED, str(error), "let the daemon's user write to the folder of BRIDGE_JOURNAL")
            return
        self._logged.pop(NOT_ROTATED, None)
        log.info("journal_rotated", archive=archive.name)

    # --- From file to file ----------------------------------------------------------------------------------------
    def _following(self, end: int) -> ListedFile | None:
        """The file to read next, None until this file has ended, at `end`, and another has begun."""
        assert self._content is not None
        assert self._part is not None
        if self._content.damaged:
            self._log_once(
                "journal_archive_damaged",
                self._part.path.name,
                "put a good copy of this file in its place, plain or gzipped; nothing after it is read until then",
            )
            if not _is(self._part.path, self._content) or self._content.stat().st_mtime_ns != self._seen[1]:
                self._leave()
            return None
        if self._is_live() or not self._is_quiet():
            return None
        for copy in self._files.copies(self._part.identity):
            # A longer copy: our file was replaced by it, and it was then written to.
            if self._files.length(copy) > end and not _is(copy.path, self._content):
                return copy
        following = self._files.after(self._part)
        # Checked last: this process may have been stopped for long since it read.
        return None if not self._content.packed and self._content.size() > end else following

    def _is_live(self) -> bool:
        assert self._content is not None
        return _is(self._files.path, self._content)

    def _is_quiet(self) -> bool:
        """Return True if no line will be added. Renaming a file sets its ctime, and so does writing to it."""
        assert self._content is not None
        age = time.time() - self._content.stat().st_ctime
        if age < 0:  # the clock was set back
            age = time.monotonic() - self._fresh_at
        return self._content.packed or age > QUIET_S

    def _arrive(self) -> bool:
        """Open the file that the place is in. Return False while that cannot be done."""
        place = self._place
        if place is None:
            parts = self._files.parts()
            return self._enter(parts[0]) if parts else self._wait()
        found = self._files.find(place)
        if found is not None:
            part, stands = found
            if stands:
                return self._enter(part, place.offset)
            return self._enter(part, self._cut_at(part, place) or self._from_start(part, place))
        if not self._truncated or self._part is None:
            return self._wait()
        # The file was open here until now, so that everything left of it was read.
        following = self._files.after(self._part)
        if following is None:
            return self._wait()
        log.error(
            "journal_truncated",
            file=self._part.identity,
            offset=place.offset,
            mend="rotate the journal by renaming, or let copytruncate keep the copy beside it: what was written "
            "just before is lost otherwise",
        )
        return self._enter(following)

    def _enter(self, part: ListedFile, offset: int = 0) -> bool:
        """Go on in another file. Return False if it has gone meanwhile: it will be looked for again."""
        content = self._files.open(part)
        if content is None:
            return False
        before, self._part = self._part, part
        if before is not None and before.identity == part.identity and self._place is not None and not offset:
            # What has just been read was replaced by a copy, from a backup perhaps.
            if journal_content.stands(content, self._place):
                offset = self._place.offset
            elif self._content is not None:
                offset = self._from_start(part, self._place)
        self._leave()
        self._content, self._offset = content, offset
        self._mark, status = journal_content.before(content, offset), content.stat()
        self._recent = self._recent if offset else b""
        self._place = journal_content.position(part.identity, offset, self._mark)
        self._seen = (-1, status.st_mtime_ns)
        self._truncated = False
        self._fresh_at = time.monotonic()
        return True

    def _cut_at(self, part: ListedFile, place: Position) -> int:
        """Where the file's end was cut off while it was followed, going by the bytes read last; 0 if it was not."""
        if self._part is None or part.identity != self._part.identity:
            return 0
        start = place.offset - len(self._recent)
        with self._files.open(part) or contextlib.nullcontext() as content:
            left = content.read_at(start, RECENT) if content is not None else b""
        pairs = enumerate(zip(left, self._recent, strict=False))
        same = next((place for place, (here, read) in pairs if here != read), min(len(left), len(self._recent)))
        if same < min(MARK, len(self._recent)) or not self._recent:
            return 0
        log.error(
            "journal_cut",
            path=str(part.path),
            offset=start + same,
            mend="its end was cut off; what had been read of it is not lost, and it is read on from there",
        )
        self._recent = self._recent[:same]
        return start + same

    def _from_start(self, part: ListedFile, place: Position) -> int:
        self._log_mismatch(part, place)
        self._again = True
        return 0

    def _leave(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None

    # --- Logging --------------------------------------------------------------------------------------------------
    def _wait(self) -> bool:
        path, now = self._files.path, time.monotonic()
        if self._place is not None and not self._truncated and self._files.parts():
            self._log_once(
                "journal_position_lost",
                journal_content.identity(self._place),
                "put the file that was read last back beside the journal, plain or gzipped, or correct "
                "BRIDGE_JOURNAL and BRIDGE_JOURNAL_ARCHIVE; nothing is read until then, and nothing is lost",
            )
        elif now - self._waiting_since > NOTHING_YET_S:
            self._waiting_since = now
            log.warning("journal_missing", path=str(path), mend="is Asterisk running, with cel_custom loaded?")
        return False

    def _log_mismatch(self, part: ListedFile, place: Position) -> None:
        log.error(
            "journal_position_not_in_file",
            path=str(part.path),
            offset=place.offset,
            mend="an older copy of this file was put in its place, or its end was cut off; it is read again from its "
            "start, and nothing is taken twice: put the whole file back if you have it",
        )

    def _log_once(self, event: str, what: str, mend: str) -> None:
        """Log an error once, until it is over."""
        if self._logged.get(event) != what:
            self._logged[event] = what
            log.error(event, what=what, mend=mend)


def history(files: JournalFiles, since: float | None) -> Iterator[tuple[str, int, bytes]]:
    """Yield all present lines in order, as (file identity, byte offset in the unpacked file, line).

    Begins with the last file whose first time is not after `since` (seconds since 1970), or with the oldest. Lines are
    as `Reader` gives them; a last line that is still being written is left out.

    Raises BridgeError for an archive that cannot be unpacked.
    """
    parts = files.parts()
    first = next((part for part in reversed(parts) if since is not None and part.began <= since), None)
    part = next((part for part in parts if first is None or part.identity == first.identity), None)
    offset = 0
    while part is not None:
        content = files.open(part) or _moved(files, part)
        last = False
        if content is not None:
            with content:
                last = _is(files.path, content)
                # A copy of the file just given goes on where that ended.
                offset = offset if journal_content.stands(content, Position(part.identity, offset)) else 0
                while data := content.read_at(offset, journal_content.BLOCK):
                    size = journal_content.whole(data) or (0 if last else len(data))
                    if not size:
                        break
                    for start, line in journal_content.placed(data[:size], offset):
                        yield part.identity, start, line
                    offset += size
                if content.damaged:
                    raise BridgeError(f"{part.path} cannot be unpacked: put a good copy of it in its place")
        following = None if last else files.after(part)
        if following is None or following.identity != part.identity:
            offset = 0
        part = following


def _moved(files: JournalFiles, part: ListedFile) -> Content | None:
    """The content of a file that was renamed or gzipped since it was listed, None if it was removed."""
    found = files.find(Position(part.identity, 0))
    return files.open(found[0]) if found else None


def _is(path: Path, content: Content) -> bool:
    """Return True if `path` is the name of this very file now."""
    try:
        named, here = path.stat(), content.stat()
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (here.st_dev, here.st_ino)
