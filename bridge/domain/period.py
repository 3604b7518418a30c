"""Units of time, and billing periods: calendar months in the account's time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.domain.errors import Invalid

SECOND_US: Final = 1_000_000
"""Microseconds in a second. Every duration is an integer of microseconds."""


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time [start, end) in UTC, with the name it is asked for by, such as 2026-11."""

    name: str
    start: datetime
    end: datetime


def month(name: str, time_zone: str) -> Period:
    """The calendar month `YYYY-MM` as it begins and ends in `time_zone`. Raises Invalid."""
    match = re.fullmatch(r"([0-9]{4})-([0-9]{2})", name)
    if not match or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 9998:
        raise Invalid("period", f"{name!r} is not a month: write it as YYYY-MM, such as 2026-11")
    year, number = int(match[1]), int(match[2])
    zone = ZoneInfo(time_zone)
    start = datetime(year, number, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
    return Period(name, start, end)


def month_of(instant: datetime, time_zone: str) -> str:
    """The name of the month that `instant` falls into, in `time_zone`."""
    return instant.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m")
