"""Lines as Asterisk writes them, as far as the files of the journal look at them; and what others do to these files."""

import gzip
import json
import shutil
from pathlib import Path

SECOND = 1_000_000
START = 1_795_435_399 * SECOND


def line(number: int, padding: int = 0) -> str:
    """The line that is written `number` seconds after the start."""
    at = START + number * SECOND
    return f'{{"eventtype":"ALIVE","eventtime":"{at // SECOND}.{at % SECOND:06d}","extra":"{number}{"." * padding}"}}'


def number(text: str | bytes) -> str:
    """The number of the line that `text` is."""
    found: str = json.loads(text)["extra"]
    return found.rstrip(".")


def append(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(lines) + end)


def pack(path: Path) -> Path:
    """As gzip does."""
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def copy_truncate(path: Path, copy: Path) -> None:
    """As logrotate does."""
    shutil.copyfile(path, copy)
    with path.open("r+") as file:
        file.truncate(0)
