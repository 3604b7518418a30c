"""Turns cells of a carrier's file into values. Each function raises ValueError with what is wrong with the cell."""

import re
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final

from bridge.domain import phone
from bridge.domain.metering.records import microseconds
from bridge.domain.period import SECOND_US

SHOWN: Final = 40
LONGEST_US: Final = 366 * 86_400 * SECOND_US
YEARS: Final = range(1971, 9998)
_EPOCH: Final = re.compile(r"[0-9]{9,10}(\.[0-9]{1,9})?")
_EPOCH_MS: Final = re.compile(r"[0-9]{13}")
_COMPACT: Final = re.compile(r"[0-9]{14}")
_PLAIN: Final = re.compile(r"[0-9]{1,12}([.,][0-9]{1,9})?")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5}):([0-9]{2})([.,][0-9]{1,9})?")
_SCIENTIFIC: Final = re.compile(r"[0-9]+[.,]?[0-9]*[eE]\+?[0-9]+")
_REMARK: Final = re.compile(r"\([A-Za-z ]+\)")
_HIDDEN: Final = re.compile(r"(?<=[0-9])[xX*]+$")
_IN_BRACKETS: Final = re.compile(r"<([^<>]*)>")


def instant_us(text: str, pattern: str | None, zone: tzinfo) -> int:
    """A time as µs since 1970. Without a pattern: ISO 8601, seconds or milliseconds since 1970, YYYYMMDDhhmmss."""
    if pattern is None and _EPOCH.fullmatch(text):
        return int(Decimal(text) * SECOND_US)
    if pattern is None and _EPOCH_MS.fullmatch(text):
        return int(text) * 1000
    try:
        at = datetime.fromisoformat(_iso(text)) if pattern is None else datetime.strptime(text, pattern)  # noqa: DTZ007
    except ValueError:
        what = "no ISO 8601, nor a number of seconds" if pattern is None else f"not written as {pattern!r}"
        raise ValueError(f"{text[:SHOWN]!r} is {what}") from None
    if at.year not in YEARS:
        raise ValueError(f"{text[:SHOWN]!r} is out of reach")
    return microseconds(at if at.tzinfo else at.replace(tzinfo=zone))


def _iso(text: str) -> str:
    if _COMPACT.fullmatch(text):
        return f"{text[:8]}T{text[8:]}"
    if len(text) < len("2026-11-20T10"):
        raise ValueError("a date alone is no instant")
    return text


def duration_us(text: str, unit_us: int) -> int:
    """A duration as µs: a number of units, or h:mm:ss or m:ss, each with decimals."""
    if _PLAIN.fullmatch(text):
        found = int(Decimal(text.replace(",", ".")) * unit_us)
    elif match := _CLOCK.fullmatch(text):
        hours, minutes, seconds, part = match.groups()
        whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
        found = whole * SECOND_US + int(Decimal((part or ".0").replace(",", ".")) * SECOND_US)
    else:
        raise ValueError(f"{text[:SHOWN]!r} is no duration")
    if found > LONGEST_US:
        raise ValueError(f"{text[:SHOWN]!r} is more than a year")
    return found


def number(text: str) -> str:
    """A telephone number as `[0-9+]`, out of a SIP or tel URI or a name with one in brackets; empty when withheld."""
    if match := _IN_BRACKETS.search(text):
        text = match[1]
    if _SCIENTIFIC.fullmatch(text):
        raise ValueError(f"{text[:SHOWN]!r} has lost its last digits in a spreadsheet")
    # A remark in brackets, and digits that a carrier hides, say nothing of the digits before them.
    return phone.sent(_HIDDEN.sub("", re.sub(r"[\s=\"']", "", _REMARK.sub("", text))))
