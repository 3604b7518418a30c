"""The content of one file of the journal, plain or gzipped, and the identity of files and of places in them.

A file is identified by its first line with a time (a microsecond and a channel make it unique) and the bytes before
that, so that renaming, copying, compressing and restoring files changes nothing. A place in a file is identified by the
bytes right before it as well, so that an older copy of the file, to which other lines were appended, is not taken for
it.
"""

import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bridge.usecases.metering.ports import Position

BLOCK: Final = 1 << 20
"""So many bytes are read at once. A longer line is given in pieces."""
HEAD: Final = 1 << 12
"""A line with a time is looked for in so many bytes: several of the longest lines."""
MARK: Final = 1 << 10
"""So many bytes before a place identify it: the longest line of Asterisk, so that the last line's microsecond is in."""
PACKED_BLOCK: Final = 1 << 14
"""So many bytes are unpacked at once. They may become a thousand times as many."""
GZIP_MAGIC: Final = b"\x1f\x8b"
GZIP_WBITS: Final = 31
IDENTITY_DIGITS: Final = 32
MARK_DIGITS: Final = 16

_TIME = re.compile(rb'"eventtime":\s?"([0-9]{1,11}\.[0-9]{6})"')
_PIECE = re.compile(rb"\x00+|[^\x00]+")


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file: its identity, and the first time in it (seconds since 1970), if any."""

    identity: str
    began: float | None


class Plain:
    """A plain file. It may grow, be truncated or be written anew while it is read."""

    packed: Final = False
    damaged: Final = False

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def stat(self) -> os.stat_result:
        return os.fstat(self._file.fileno())

    def size(self) -> int:
        """Bytes."""
        return self.stat().st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes, fewer at the end of the file."""
        return os.pread(self._file.fileno(), size, offset)


class Packed:
    """A gzipped file, read as if it were plain. Reading from front to back is cheap.

    It is `damaged` once a part was met that cannot be unpacked, at which it ends: it is still being written, it was cut
    short, or its disk is bad.
    """

    packed: Final = True

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._rewind()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def stat(self) -> os.stat_result:
        return os.fstat(self._file.fileno())

    def size(self) -> int:
        """Bytes when unpacked, as gzip's trailer says: right for one member of less than 4 GiB, as gzip makes it."""
        return int.from_bytes(os.pread(self._file.fileno(), 4, max(0, self.stat().st_size - 4)), "little")

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` unpacked bytes, fewer at the end of the file or where it is damaged."""
        if offset < self._start:
            self._rewind()
        while self._start + len(self._data) < offset + size:
            passed = min(len(self._data), offset - self._start)
            del self._data[:passed]
            self._start += passed
            if not self._unpack():
                break
        return bytes(self._data[offset - self._start : offset - self._start + size])

    def _rewind(self) -> None:
        self.damaged = False
        self._start = 0
        self._data = bytearray()
        self._read = 0
        self._waiting = b""
        self._unpacker = zlib.decompressobj(GZIP_WBITS)

    def _unpack(self) -> bool:
        """Unpack the next block, and return False if there was none."""
        if self.damaged:
            return False
        if not self._waiting:
            self._waiting = os.pread(self._file.fileno(), PACKED_BLOCK, self._read)
            self._read += len(self._waiting)
        if self._unpacker.eof:
            self._waiting = self._waiting.lstrip(b"\0")
            if not self._waiting:
                return False
            self._unpacker = zlib.decompressobj(GZIP_WBITS)
        if not self._waiting:
            self.damaged = True
            return False
        try:
            self._data += self._unpacker.decompress(self._waiting)
        except zlib.error:
            self.damaged = True
            return False
        self._waiting = self._unpacker.unused_data
        return True


Content = Plain | Packed


def opened(path: Path) -> Content:
    """The content of a file, plain or gzipped by its first bytes. Raises OSError."""
    file = FileIO(path)
    try:
        packed = os.pread(file.fileno(), len(GZIP_MAGIC), 0) == GZIP_MAGIC
    except OSError:
        file.close()
        raise
    return Packed(file) if packed else Plain(file)


def head(content: Content, over: bool) -> Head | None:
    """The head that identifies the file. None while the file is too short for it and, unless it is `over`, may grow.

    Where there is no time in its first HEAD bytes, these bytes identify it.
    """
    data = content.read_at(0, HEAD)
    time = _TIME.search(data)
    end = data.find(b"\n", time.end()) + 1 if time else 0
    if not end and len(data) < HEAD and (not data or not over or content.damaged):
        return None
    time = time or _TIME.search(content.read_at(0, BLOCK))
    return Head(hashlib.sha256(data[: end or HEAD]).hexdigest()[:IDENTITY_DIGITS], float(time[1]) if time else None)


def before(content: Content, offset: int) -> bytes:
    """The bytes that identify a place; fewer when the file ends before it."""
    return content.read_at(max(0, offset - MARK), min(MARK, offset))


def position(identity: str, offset: int, mark: bytes) -> Position:
    """A place in a file, from the bytes `before` it."""
    return Position(f"{identity}:{hashlib.sha256(mark).hexdigest()[:MARK_DIGITS]}", offset)


def identity(place: Position) -> str:
    """The file that a place is in."""
    return place.file.partition(":")[0]


def stands(content: Content, place: Position) -> bool:
    """Return True if a place is in this content of its file, so that reading may go on there.

    A place without bytes that identify it is accepted where a line begins.
    """
    mark, expected = before(content, place.offset), place.file.partition(":")[2]
    if len(mark) < min(MARK, place.offset):
        return False
    if expected:
        return hashlib.sha256(mark).hexdigest()[:MARK_DIGITS] == expected
    return not place.offset or mark.endswith(b"\n")


def whole(data: bytes) -> int:
    """The number of bytes that are whole lines.

    A full block without the end of a line counts as a whole: no line is that long, so that it becomes garbage.
    """
    return data.rfind(b"\n") + 1 or (len(data) if len(data) >= BLOCK else 0)


def lines(data: bytes) -> list[bytes]:
    """Lines without their newlines.

    NUL bytes, which a crash of the machine leaves, become lines of their own, so that the lines beside them stay whole.
    """
    if b"\0" in data:
        return [line for _, line in placed(data, 0)]
    split = data.split(b"\n")
    if not split[-1]:
        split.pop()
    return split


def placed(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Lines as `lines` gives them, each with its offset; `offset` is that of the first."""
    split = data.split(b"\n")
    if not split[-1]:
        split.pop()
    for line in split:
        if b"\0" in line:
            for piece in _PIECE.finditer(line):
                yield offset + piece.start(), piece[0]
        else:
            yield offset, line
        offset += len(line) + 1
