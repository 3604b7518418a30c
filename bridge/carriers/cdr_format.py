"""The format of one carrier's file, written down once as TOML, or given by options."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.carriers import headings
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.period import SECOND_US
from bridge.domain.provisioning import tenants

UNITS_US: Final = {"s": SECOND_US, "ms": 1_000}
_FORMAT_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class CdrFormat:
    """The format of a file, as far as it is known.

    `columns` are headings, or positions from 1, of the fields of `headings.FIELDS`. A list is joined by spaces, such as
    a date and a time. Columns that are not given are recognised by usual headings.

    If `delimiter` is None, it is guessed from the file. `time_format` is a pattern of strptime; None reads ISO 8601,
    seconds or milliseconds since 1970, and YYYYMMDDhhmmss. Times without a zone are in `time_zone`. `duration_unit` is
    s or ms; hh:mm:ss is recognised by its colons.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    time_format: str | None = None
    time_zone: str = "UTC"
    duration_unit: str = "s"

    @property
    def zone(self) -> tzinfo:
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)


_TYPES: Final[Mapping[str, type]] = {"columns": dict, "header": bool}


def read(path: Path) -> CdrFormat:
    """The format in a TOML file. Raises BridgeError, Invalid."""
    try:
        with path.open("rb") as file:
            given = tomllib.loads(file.read(_FORMAT_MAX).decode())
    except OSError as error:
        raise BridgeError(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BridgeError(f"{path} is no TOML: {error}") from error
    return changed(CdrFormat(), given)


def changed(known: CdrFormat, given: Mapping[str, Any]) -> CdrFormat:
    """The format with other values, `columns` one by one. Raises Invalid."""
    names = {one.name for one in fields(CdrFormat)}
    for name, value in given.items():
        if name not in names:
            raise Invalid(name, f"there is no such setting of a format; there are {', '.join(sorted(names))}")
        if not isinstance(value, _TYPES.get(name, str)):
            raise Invalid(name, f"{value!r} is of the wrong type")
    columns = {name: _headings(name, value) for name, value in given.get("columns", {}).items()}
    return _checked(replace(known, **{**given, "columns": {**known.columns, **columns}}))


def _headings(name: str, value: Any) -> tuple[str, ...]:
    if name not in headings.FIELDS:
        raise Invalid(f"columns.{name}", f"there is no such column; there are {', '.join(headings.FIELDS)}")
    parts = tuple(str(part) for part in (value if isinstance(value, list) else [value]))
    if not parts or not all(parts):
        raise Invalid(f"columns.{name}", "give a heading or a position, or a list of them")
    return parts


def _checked(given: CdrFormat) -> CdrFormat:
    if given.delimiter is not None and (len(given.delimiter) != 1 or given.delimiter in '"\r\n\0 '):
        raise Invalid("delimiter", f"{given.delimiter!r} is no delimiter, such as ; or , or a tab")
    if given.duration_unit not in UNITS_US:
        raise Invalid("duration_unit", f"{given.duration_unit!r} is none of {', '.join(UNITS_US)}")
    tenants.time_zone(given.time_zone)
    try:
        "".encode(given.encoding or "utf-8")
    except LookupError:
        raise Invalid("encoding", f"{given.encoding!r} is no encoding, such as utf-8 or latin-1") from None
    if given.time_format is not None:
        _check_pattern(given.time_format)
    positions = [part for parts in given.columns.values() for part in parts]
    if not given.header and not all(re.fullmatch("[1-9][0-9]{0,3}", part) for part in positions):
        raise Invalid("columns", "without a header, columns are given by their positions, from 1")
    return given


def _check_pattern(pattern: str) -> None:
    """Check that a pattern has a whole time: it must read back the time that it writes. Raises Invalid."""
    at = datetime(2026, 11, 24, 13, 14, tzinfo=UTC)
    try:
        again = datetime.strptime(at.strftime(pattern), pattern).replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("time_format", f"{pattern!r} is no pattern such as %d.%m.%Y %H:%M:%S ({error})") from None
    if again != at:
        raise Invalid("time_format", f"{pattern!r} does not tell a whole date with hours and minutes")
