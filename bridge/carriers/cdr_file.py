"""Reads a carrier's file of calls, a line at a time. A line that makes no sense is reported, and stops nothing.

One line is one record: a quote that is never closed spoils its own line alone.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO, TypeVar

from bridge.carriers import cdr_fields, headings
from bridge.carriers.cdr_format import UNITS_US, CdrFormat
from bridge.carriers.headings import Columns
from bridge.domain.billing import carrier_call
from bridge.domain.billing.carrier_call import CarrierCall, Unreadable
from bridge.domain.errors import BridgeError, Invalid

LINE_MAX: Final = 65_536
PREAMBLE: Final = 20
"""Some carriers write a title and the like: the header is looked for in so many lines."""

DELIMITERS: Final = ",;\t|"
PROGRESS: Final = 10_000
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NEVER: Final = re.compile(r"[-0:. T/]*|null|none|n/?a", re.IGNORECASE)
"""How carriers write an instant that never came."""

Value = TypeVar("Value", str, int)


@dataclass(frozen=True, slots=True)
class CdrFile:
    """The content of a file: its calls, and the lines that are none."""

    calls: Sequence[CarrierCall]
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text; `text` is None when it is too long to be one."""

    number: int
    text: str | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields stand below which header, empty when there is none."""

    header: Sequence[str]
    delimiter: str
    columns: Columns


def read(path: Path, known: CdrFormat, on_progress: Callable[[int], None] = lambda lines: None) -> CdrFile:
    """Read all calls of a file. `on_progress` gets the number of lines read, now and then.

    Raises BridgeError when the file can't be read at all, or lacks columns without which no call is known.
    """
    try:
        with path.open("rb") as file:
            encoding = known.encoding or next(
                (name for mark, name in _MARKS if file.peek(2).startswith(mark)), "utf-8-sig"
            )
            with io.TextIOWrapper(file, encoding, errors="replace", newline=None) as text:
                lines = _lines(text)
                first = list(islice(lines, PREAMBLE))
                layout = _layout([line.text for line in first if line.text], known, path)
                found = _read(chain(first, lines), layout, known, on_progress)
    except OSError as error:
        raise BridgeError(f"{path} cannot be read ({error.strerror})") from error
    except (UnicodeError, LookupError) as error:
        raise Invalid("encoding", f"{path} is not in {known.encoding} ({error})") from error
    if found.unreadable and not found.calls:
        one = found.unreadable[0]
        raise BridgeError(f"{path} has no line that is a call; line {one.line}: {one.reason}")
    return found


def _lines(text: TextIO) -> Iterator[_Line]:
    """The lines that are not blank."""
    number = 0
    while part := text.readline(LINE_MAX):
        number += 1
        whole = part.endswith("\n") or len(part) < LINE_MAX
        if not part.isspace():
            yield _Line(number, part.rstrip("\n") if whole else None)
        while not whole:
            part = text.readline(LINE_MAX)
            whole = part.endswith("\n") or not part


def _cells(text: str | None, delimiter: str) -> list[str]:
    """The cells of a line. Raises ValueError, csv.Error."""
    if text is None:
        raise ValueError(f"longer than {LINE_MAX} characters")
    if "\0" in text:
        raise ValueError("holds a NUL byte")
    return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True), [])]


# --- The layout ---------------------------------------------------------------------------------------------------
def _layout(first: Sequence[str], known: CdrFormat, path: Path) -> _Layout:
    """The first line that is a usable header; the delimiter that makes the most of it. Raises BridgeError, Invalid."""
    delimiters = known.delimiter or DELIMITERS
    rows = [(cells, delimiter) for text in first for delimiter in delimiters if any(cells := _header(text, delimiter))]
    if not rows:
        return _Layout([], delimiters[0], {})
    widest = max(rows, key=lambda row: len(row[0]))
    if not known.header:
        columns = {field: tuple(int(part) - 1 for part in parts) for field, parts in known.columns.items()}
        best = _Layout([], widest[1], columns)
    else:
        best = next(_usable(rows, known), None) or _Layout(*widest, headings.columns(widest[0], known.columns))
    lacking = headings.missing(best.columns)
    if lacking is not None:
        raise BridgeError(f"{path} lacks {lacking}; it has {headings.listed(widest[0])}")
    return best


def _usable(rows: Iterable[tuple[list[str], str]], known: CdrFormat) -> Iterator[_Layout]:
    for cells, delimiter in rows:
        try:
            columns = headings.columns(cells, known.columns)
        except Invalid:
            continue
        if headings.missing(columns) is None:
            yield _Layout(cells, delimiter, columns)


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return _cells(text, delimiter)
    except (ValueError, csv.Error):
        return []


# --- The lines ----------------------------------------------------------------------------------------------------
def _read(lines: Iterable[_Line], layout: _Layout, known: CdrFormat, on_progress: Callable[[int], None]) -> CdrFile:
    calls: list[CarrierCall] = []
    unreadable: list[Unreadable] = []
    begun = not layout.header
    for line in lines:
        if line.number % PROGRESS == 0:
            on_progress(line.number)
        try:
            cells = _cells(line.text, layout.delimiter)
            if cells == layout.header:
                # Files that were joined have it more than once.
                begun = True
            elif begun and any(cells):
                calls.append(_call(line.number, cells, layout.columns, known))
        except (ValueError, csv.Error) as error:
            if begun:
                unreadable.append(Unreadable(line.number, str(error)))
    return CdrFile(calls, unreadable)


def _call(line: int, cells: Sequence[str], columns: Columns, known: CdrFormat) -> CarrierCall:
    """The call in a line. Raises ValueError."""
    last = max(index for indices in columns.values() for index in indices)
    if last >= len(cells):
        raise ValueError(f"has {len(cells)} columns; {last + 1} are needed")
    told = {field: " ".join(cells[index] for index in indices).strip() for field, indices in columns.items()}
    start, answer, end = (_instant(told, field, known) for field in ("start", "answer", "end"))
    duration = _duration(told, known)
    at = start if answer is None else answer
    if at is None and end is not None and duration is not None:
        at = end - duration
    if at is None:
        raise ValueError("does not tell when the call started or was answered")
    if duration is None and end is not None:
        duration = end - at
        if duration < 0:
            raise ValueError("ends before it starts")
    answered = answer is not None if "answer" in columns else duration != 0
    return CarrierCall(
        line=line,
        caller=_named("caller", cdr_fields.number, told.get("caller", "")),
        number=_named("number", cdr_fields.number, told.get("number", "")),
        sip_call_id=carrier_call.call_id(told.get("call_id", "")),
        at_us=at,
        from_answer=answer is not None,
        duration_us=duration if answered else 0,
        answered=answered,
    )


def _instant(told: Mapping[str, str], field: str, known: CdrFormat) -> int | None:
    text = told.get(field, "")
    if _NEVER.fullmatch(text):
        return None
    return _named(field, lambda text: cdr_fields.instant_us(text, known.time_format, known.zone), text)


def _duration(told: Mapping[str, str], known: CdrFormat) -> int | None:
    text = told.get("duration", "")
    if not text:
        return None
    return _named("duration", lambda text: cdr_fields.duration_us(text, UNITS_US[known.duration_unit]), text)


def _named(field: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
