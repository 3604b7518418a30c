"""Reads the items of a bulk request from CSV: a line of field names, then one line for each item."""

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, get_args

from pydantic import BaseModel

from bridge.api.http.problems import FieldError, Problem

CELL_MAX: Final = 10_000
ROW_MAX: Final = 32 * 1024
LINES_MAX: Final = 20_000
_BOM: Final = codecs.BOM_UTF8
_LINE: Final = re.compile(rb"[^\r\n]{0,%d}+(?:\r\n|\r|\n|\Z)" % ROW_MAX)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def item_model(body: type[BaseModel]) -> type[BaseModel]:
    """The model of the items of a bulk operation's body."""
    model: type[BaseModel]
    [model] = get_args(body.model_fields["items"].annotation)
    return model


def read(raw: bytes, model: type[BaseModel]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the items of a file as JSON has them, not yet validated, each with the number of the line where it begins.

    The file is UTF-8, separated by commas, quoted as in RFC 4180. An empty cell leaves its field out. A list is written
    `a; b`, a mapping `key=value; other=value`. Raises a Problem that names the line.
    """
    lines = _Lines(raw)
    rows = csv.reader(lines, strict=True)
    began = 1
    try:
        columns = _columns(next(rows, []), model)
        began = lines.begin_row()
        for row in rows:
            if any(cell.strip() for cell in row):
                yield began, _item(row, columns, began)
            began = lines.begin_row()
    except csv.Error as error:
        raise _bad(f"line {began} cannot be read ({error}): quote cells as in RFC 4180") from None


class _Lines:
    """The lines of a file, one after another. Raises a Problem for one that is not UTF-8, and for a row too long."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = len(_BOM) if raw.startswith(_BOM) else 0
        self._row_at = self._at
        self._number = 0

    def begin_row(self) -> int:
        """Count the length of the row from here on. Returns the number of its first line."""
        self._row_at = self._at
        return self._number + 1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._at >= len(self._raw):
            raise StopIteration
        self._number += 1
        if self._number > LINES_MAX:
            raise _bad(f"the file has more than {LINES_MAX} lines: leave out empty ones, or split the file")
        line = _LINE.match(self._raw, self._at)
        if line is None or line.end() - self._row_at > ROW_MAX:
            raise _bad(f"line {self._number} makes a row of more than {ROW_MAX} bytes")
        self._at = line.end()
        try:
            return line.group().decode()
        except UnicodeDecodeError:
            raise _bad(f"line {self._number} is not UTF-8: save the file as CSV in UTF-8") from None


def _columns(names: Sequence[str], model: type[BaseModel]) -> list[tuple[str, str]]:
    """The field of each column, and its JSON type."""
    fields = {field.alias or name for name, field in model.model_fields.items()}
    types = _types(model)
    stripped = [name.strip() for name in names]
    for name in stripped:
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise _bad(f"line 1 names the fields, separated by commas; {name[:100]!r} is none of: {known}")
        if stripped.count(name) > 1:
            raise _bad(f"line 1 names {name!r} more than once")
    if not stripped:
        raise _bad("the file is empty: line 1 names the fields")
    return [(name, types[name]) for name in stripped]


def _types(model: type[BaseModel]) -> dict[str, str]:
    """The JSON type of each field: `string` if the field allows it, as enums do, else its first other type."""
    described: Mapping[str, Any] = model.model_json_schema()["properties"]
    found = {}
    for name, schema in described.items():
        kinds = [each.get("type", "string") for each in schema.get("anyOf", (schema,))]
        found[name] = next((kind for kind in ("string", *kinds) if kind in kinds), "string")
    return found


def _item(row: Sequence[str], columns: Sequence[tuple[str, str]], line: int) -> Mapping[str, Any]:
    if len(row) != len(columns):
        raise _bad(f"line {line} has {len(row)} cells where line 1 names {len(columns)} fields")
    item: dict[str, Any] = {}
    for cell, (name, kind) in zip(row, columns, strict=True):
        if len(cell) > CELL_MAX:
            raise _bad(f"line {line}: {name} is longer than {CELL_MAX} characters")
        text = cell.strip()
        if not text:
            continue
        item[name] = _value(text, kind, name, line)
    return item


def _value(text: str, kind: str, name: str, line: int) -> Any:
    """The value of a cell of that JSON type. Text that does not fit stays text, so that the model refuses it."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    match kind:
        case "array":
            return parts
        case "object":
            return _mapping(parts, name, line)
        case "integer" if _INTEGER.fullmatch(text):
            return int(text)
        case "boolean":
            return _BOOLEANS.get(text.lower(), text)
        case _:
            return text


def _mapping(parts: Sequence[str], name: str, line: int) -> dict[str, str]:
    pairs = [part.partition("=") for part in parts]
    if not all(sign for _, sign, _ in pairs) or len({key for key, _, _ in pairs}) != len(pairs):
        raise _bad(f"line {line}: write {name} as key=value; other=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _bad(detail: str) -> Problem:
    return Problem(422, "Invalid rows", detail, [FieldError("/items", detail)])
