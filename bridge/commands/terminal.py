"""Input and output that all commands share: reading typed values, and printing tables, JSON and progress."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from bridge.documents import columns
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.period import SECOND_US

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Owner = Annotated[str, typer.Option("--account", help="Id or name of the account.")]
_UNITS_US: Final = {"ms": 1_000, "": SECOND_US, "s": SECOND_US, "m": 60 * SECOND_US, "h": 3600 * SECOND_US}
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|)")
_NUMBER: Final = re.compile(r"-?[0-9][0-9:.]*")


# --- Typed values -------------------------------------------------------------------------------------------------
def identifier(text: str, field: str) -> UUID:
    """Read an id. Raises Invalid."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(field, f"{text!r} is no id, such as 3f2c7c1e-0a3b-4c5d-8e9f-0123456789ab") from None


def instant(text: str, field: str, time_zone: str) -> datetime:
    """Read a time. A time without a zone is in `time_zone`. Raises Invalid."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, f"{text!r} is no time, such as 2026-11-01 or 2026-11-01T00:00:00Z") from None
    if not 1970 < at.year < 9998:
        raise Invalid(field, f"{text!r} is not between 1971 and 9997")
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(time_zone))


def span_us(text: str, field: str) -> int:
    """Read a length of time, such as 500ms, 1.5s or 2m, as microseconds. A bare number is seconds. Raises Invalid."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise Invalid(field, f"{text!r} is no length of time, such as 500ms, 1.5s or 2m")
    return int(Decimal(match[1]) * _UNITS_US[match[2]])


def content(file: str) -> bytes:
    """Read a file whole; - is standard input. Raises BridgeError."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BridgeError(f"{file} cannot be read: {error.strerror}") from error


def first_line(file: str) -> str:
    """Read the first line of a file, without its end; - is standard input. Raises BridgeError."""
    return content(file).decode("utf-8", "replace").partition("\n")[0].rstrip("\r")


# --- Printing -----------------------------------------------------------------------------------------------------
def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print columns under their names. Numbers are aligned to the right."""
    drawn = [[_cell(row[column]) for row in rows] for column in names]
    aligned = [_aligned(column.replace("_", " "), cells) for column, cells in zip(names, drawn, strict=True)]
    for line in zip(*aligned, strict=True):
        typer.echo("  ".join(line).rstrip())


class ProgressLine:
    """One line of progress on standard error, written over each time. Prints nothing if that is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        """Replace the line by `words`; an empty string clears it."""
        if self._shown:
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)


def _aligned(head: str, cells: Sequence[str]) -> list[str]:
    width = max(map(columns.width, [head, *cells]))
    figures = any(cells) and all(_NUMBER.fullmatch(cell) or cell == "-" for cell in cells)
    return [text.rjust(width) if figures else columns.fitted(text, width) for text in [head, *cells]]


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
