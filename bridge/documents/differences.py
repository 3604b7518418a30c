"""Differences between a carrier's calls and ours, as rows of text, and as CSV that a spreadsheet may open."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Final, TextIO

from bridge.domain import notation
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall, Unreadable
from bridge.domain.billing.carrier_reconciliation import CallField, Matched, Reconciliation
from bridge.domain.metering.records import Evidence, instant

COLUMNS: Final = (
    *("verdict", "line", "uniqueid", "started", "caller", "number", "sip_call_id"),
    *("carrier_seconds", "our_seconds", "difference"),
)
_FIGURE: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Mapping[str, str]


def rows(found: Reconciliation, unreadable: Iterable[Unreadable], zone: tzinfo) -> Iterator[Row]:
    """Yield a row of COLUMNS for each difference and each line that could not be read. Figures are carrier − ours."""
    for one in found.differing:
        yield _row("differs", one.carrier, one.own, difference(one), zone)
    for theirs in found.only_carrier:
        yield _row("only carrier", theirs, None, "", zone)
    for ours in found.only_own:
        yield _row("only ours", None, ours, ours.outcome + _estimated(ours), zone)
    for line in unreadable:
        yield dict.fromkeys(COLUMNS, "") | {
            "verdict": "unreadable",
            "line": str(line.line),
            "difference": line.reason,
        }


def difference(one: Matched) -> str:
    """The differences of one call, in words and signed seconds."""
    words = []
    if CallField.START in one.fields:
        words.append(f"start {notation.signed_seconds(one.start_us)} s")
    if CallField.DURATION in one.fields and one.duration_us is not None:
        words.append(f"duration {notation.signed_seconds(one.duration_us)} s{_estimated(one.own)}")
    if CallField.CALLER in one.fields:
        words.append(f"caller {one.carrier.caller}, ours {one.own.caller}")
    if CallField.NUMBER in one.fields:
        words.append(f"number {one.carrier.number}, ours {one.own.number}")
    if CallField.OPEN in one.fields:
        words.append("still open with us")
    return "; ".join(words)


def write(file: TextIO, found: Iterable[Row]) -> None:
    """Write rows as CSV. No cell is a formula to a spreadsheet, whatever the carrier wrote."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows({name: _harmless(cell) for name, cell in row.items()} for row in found)


def _row(verdict: str, theirs: CarrierCall | None, ours: OwnCall | None, words: str, zone: tzinfo) -> Row:
    started_us = theirs.at_us if theirs else ours.started_us if ours else 0
    sides = [call for call in (theirs, ours) if call is not None]
    return {
        "verdict": verdict,
        "line": str(theirs.line) if theirs else "",
        "uniqueid": ours.uniqueid if ours else "",
        "started": notation.local_time(instant(started_us), zone),
        "caller": _known(call.caller for call in sides),
        "number": _known(call.number for call in sides),
        "sip_call_id": _known(call.sip_call_id for call in sides),
        "carrier_seconds": _seconds(theirs),
        "our_seconds": _seconds(ours),
        "difference": words,
    }


def _known(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _seconds(call: CarrierCall | OwnCall | None) -> str:
    if call is None or call.duration_us is None:
        return ""
    return notation.seconds(call.duration_us)


def _estimated(ours: OwnCall) -> str:
    return " (ours is estimated)" if ours.evidence == Evidence.ESTIMATED else ""


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) and not _FIGURE.fullmatch(cell) else cell
