"""Models as lines of CSV (RFC 4180, UTF-8): a line of field names, then one line each.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break as a formula (OWASP, "CSV
Injection"). Such a cell gets an apostrophe in front, by which a spreadsheet knows text. A plain number is no formula:
amounts and callers in E.164 form (`+4930123456`) stay as they are. To get the original text back, take one apostrophe
off each cell that begins with apostrophes and one of those characters.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel

# Excel takes the full-width forms for the plain ones.
_FORMULA: Final = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)


def header(model: type[BaseModel]) -> bytes:
    """The line of field names."""
    return _lines([list(model.model_fields)])


def rows(models: Iterable[BaseModel]) -> bytes:
    """One line for each model, each value as it is in JSON; null is an empty cell."""
    return _lines([_cell(value) for value in model.model_dump(mode="json").values()] for model in models)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return harmless(str(value))


def harmless(text: str) -> str:
    """The text of a cell, marked as text where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _lines(cells: Iterable[list[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(cells)
    return written.getvalue().encode()
