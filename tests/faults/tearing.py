"""Damage that the journal's file can suffer on a disk: one function for each kind, of the file and of chance."""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.plan import Kind


def garbage(journal: Path, chance: random.Random) -> None:
    """Append lines of random bytes."""
    lines = [chance.randbytes(chance.randrange(1, 3000)).replace(b"\n", b"") for _ in range(chance.randrange(1, 8))]
    _append(journal, b"\n".join([*lines, b""]))


def half_line(journal: Path, chance: random.Random) -> None:
    """Append the first part of a random line without a line end: the next line is joined to it."""
    line = chance.choice(_lines(journal))
    # The journal may hold an empty line alone, or none.
    _append(journal, line[: chance.randrange(1, max(2, len(line)))])


def nuls(journal: Path, chance: random.Random) -> None:
    """Append NUL bytes, as some file systems leave after a power cut; the next line is joined to them."""
    _append(journal, b"\0" * chance.randrange(1, 5000))


def again(journal: Path, chance: random.Random) -> None:
    """Append a stretch of earlier lines a second time."""
    lines = _lines(journal)
    begin = chance.randrange(len(lines))
    _append(journal, b"".join(lines[begin : begin + chance.randrange(1, 200)]))


def cut(journal: Path, chance: random.Random) -> None:
    """Cut the last bytes off: the last line has no end, and the next line is joined to it."""
    with journal.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.truncate(max(0, size - chance.randrange(1, 60)))


def rename(journal: Path, chance: random.Random) -> None:
    """Rename the journal, as the product's own rotation does."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    journal.rename(journal.with_name(f"{journal.stem}-{stamp}{journal.suffix}"))


def copy_and_truncate(journal: Path, chance: random.Random) -> None:
    """Rotate as logrotate's copytruncate does. Lines that are written between copy and truncation are lost."""
    shutil.copyfile(journal, journal.with_name(f"{journal.name}-{datetime.now(UTC):%Y%m%d-%s}"))
    os.truncate(journal, 0)


TEARINGS: Final[Mapping[Kind, Callable[[Path, random.Random], None]]] = {
    Kind.JOURNAL_GARBAGE: garbage,
    Kind.JOURNAL_HALF: half_line,
    Kind.JOURNAL_NUL: nuls,
    Kind.JOURNAL_AGAIN: again,
    Kind.JOURNAL_CUT: cut,
    Kind.JOURNAL_ROTATE: rename,
    Kind.JOURNAL_COPY: copy_and_truncate,
}


def _lines(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True)[-2000:] or [b"\n"]


def _append(journal: Path, data: bytes) -> None:
    # In one write, as Asterisk does, so that neither splits a line of the other.
    handle = os.open(journal, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)
