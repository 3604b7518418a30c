"""`bridge reconcile`."""

import json
import sys
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bridge.carriers import cdr_file, cdr_format
from bridge.carriers.cdr_file import CdrFile
from bridge.carriers.cdr_format import CdrFormat
from bridge.commands import terminal
from bridge.commands.terminal import Json
from bridge.documents import differences, text
from bridge.domain.billing import carrier_reconciliation
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall
from bridge.domain.billing.carrier_reconciliation import Reconciliation, ReconciliationTerms, Sum
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.metering.records import instant, microseconds
from bridge.domain.period import SECOND_US
from bridge.usecases.billing.reconcile_carrier import reconcile_carrier

Column = "Heading or position of the column"
TABLE: Final = ("verdict", "line", "started", "caller", "number", "carrier_seconds", "our_seconds", "difference")


def reconcile(
    file: Annotated[Path, typer.Argument(help="The carrier's file: CSV, a line a call.")],
    since: Annotated[
        str | None, typer.Option("--from", help="Calls at or after; the file's first if left out.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Calls before; the file's last if left out.")] = None,
    number: Annotated[list[str] | None, typer.Option(help="Only calls to this access number; may be repeated.")] = None,
    tolerance: Annotated[str, typer.Option(help="Starts and durations may differ by so much: 500ms, 1s.")] = "1s",
    window: Annotated[str, typer.Option(help="Without a SIP Call-ID, starts of one call are this close.")] = "30s",
    digits: Annotated[int, typer.Option(help="Numbers are alike when their last digits are.", min=3, max=20)] = 8,
    level_clocks: Annotated[
        bool, typer.Option("--level-clocks", help="Subtract the offset of the two clocks from each start.")
    ] = False,
    unanswered: Annotated[bool, typer.Option("--unanswered", help="Report calls that nobody answered, too.")] = False,
    format_file: Annotated[
        Path | None, typer.Option("--format", help="TOML that tells how this carrier writes: see docs/reconcile.md.")
    ] = None,
    caller_column: Annotated[str | None, typer.Option(help=f"{Column} of the caller.")] = None,
    number_column: Annotated[str | None, typer.Option(help=f"{Column} of the dialled number.")] = None,
    start_column: Annotated[
        list[str] | None, typer.Option(help=f"{Column} of the call's arrival; twice for date and time.")
    ] = None,
    answer_column: Annotated[
        list[str] | None, typer.Option(help=f"{Column} of its answer; twice for date and time.")
    ] = None,
    end_column: Annotated[list[str] | None, typer.Option(help=f"{Column} of its end; twice for date and time.")] = None,
    duration_column: Annotated[str | None, typer.Option(help=f"{Column} of its length, answer to end.")] = None,
    call_id_column: Annotated[str | None, typer.Option(help=f"{Column} of its SIP Call-ID.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Found out if left out.")] = None,
    encoding: Annotated[str | None, typer.Option(help="UTF-8, or UTF-16 by its mark, if left out.")] = None,
    time_format: Annotated[
        str | None, typer.Option(help="Such as %d.%m.%Y %H:%M:%S; ISO 8601 and seconds since 1970 need none.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Of times that tell none; UTC if left out.")] = None,
    duration_unit: Annotated[str | None, typer.Option(help="s or ms; h:mm:ss is known by itself.")] = None,
    no_header: Annotated[bool, typer.Option("--no-header", help="Columns are given by position, from 1.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every difference to this file, too.")] = None,
    as_json: Json = False,
) -> None:
    """Compare a carrier's file of calls with ours: what only one side has, and what the two tell differently.

    Exit status 0 when all agrees; 1 when there is a difference or a line that can't be read, and when the comparison
    could not be made (one line on standard error says why).
    """
    columns = {
        "caller": caller_column,
        "number": number_column,
        "start": start_column,
        "answer": answer_column,
        "end": end_column,
        "duration": duration_column,
        "call_id": call_id_column,
    }
    given = {
        "columns": {name: heading for name, heading in columns.items() if heading},
        "delimiter": delimiter,
        "encoding": encoding,
        "time_format": time_format,
        "time_zone": time_zone,
        "duration_unit": duration_unit,
        "header": False if no_header else None,
    }
    known = cdr_format.changed(
        cdr_format.read(format_file) if format_file else CdrFormat(),
        {name: value for name, value in given.items() if value is not None},
    )
    progress = _Progress()
    told = cdr_file.read(file, known, lambda lines: progress(f"{lines} lines read"))
    since_us, until_us = _period(told, since, until, known)
    terms = ReconciliationTerms(
        since_us=since_us,
        until_us=until_us,
        tolerance_us=terminal.span_us(tolerance, "tolerance"),
        window_us=terminal.span_us(window, "window"),
        digits=digits,
        numbers=frozenset(number or ()),
        level_clocks=level_clocks,
        unanswered=unanswered,
    )
    found = terminal.run(
        lambda product: reconcile_carrier(
            product.calls, told.calls, terms, lambda count: progress(f"{count} of our calls read")
        )
    )
    progress("")
    if csv is not None:
        _write(csv, found, told, known.zone)
    if as_json:
        typer.echo(json.dumps(_as_json(found, told), indent=2))
    else:
        _print(found, told, known)
    raise typer.Exit(0 if found.agreed and not told.unreadable else 1)


class _Progress:
    """One line on a terminal that is written over; nothing where nobody looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)


def _period(told: CdrFile, since: str | None, until: str | None, known: CdrFormat) -> tuple[int, int]:
    """µs since 1970, from what was typed and what the file spans. Raises Invalid."""
    spanned = carrier_reconciliation.span(told.calls)
    if spanned is None and (since is None or until is None):
        raise Invalid("from", "the file has no call: tell the period by --from and --to")
    first, last = spanned or (0, 0)
    start = microseconds(terminal.instant(since, "from", known.time_zone)) if since else first
    end = microseconds(terminal.instant(until, "to", known.time_zone)) if until else last
    if start >= end:
        raise Invalid("to", "the period ends before it begins, or before the file's first call")
    return start, end


# --- What is printed ----------------------------------------------------------------------------------------------
def _print(found: Reconciliation, told: CdrFile, known: CdrFormat) -> None:
    rows = list(differences.rows(found, told.unreadable, known.zone))
    if rows:
        terminal.table(rows, TABLE)
        typer.echo()
    since, until = _shown(found.terms.since_us, known.zone), _shown(found.terms.until_us, known.zone)
    typer.echo(f"Calls from {since} up to {until} ({known.time_zone}); differences are carrier - ours")
    typer.echo(_clock(found))
    typer.echo(f"carrier  {_sum(found.carrier)}")
    typer.echo(f"ours     {_sum(found.own)}")
    typer.echo(_summary(found, told))


def _summary(found: Reconciliation, told: CdrFile) -> str:
    differing = len(found.differing)
    parts = [
        f"{len(found.matched) - differing} agree",
        f"{differing} differ",
        f"{len(found.only_carrier)} only with the carrier",
        f"{len(found.only_own)} only with us",
    ]
    rest = [
        (len(told.unreadable), "of the file's lines not readable"),
        (found.unanswered, "left out that nobody answered"),
        (found.open, "of ours still open"),
    ]
    return ", ".join(parts + [f"{count} {what}" for count, what in rest if count])


def _sum(side: Sum) -> str:
    return f"{side.calls:>9} calls {text.duration(side.duration_us):>20}"


def _clock(found: Reconciliation) -> str:
    if found.clock_offset_us is None:
        return "No call is in both books"
    apart = (
        f"{abs(found.clock_offset_us) / SECOND_US:.3f} s {'behind' if found.clock_offset_us < 0 else 'ahead of'} ours"
    )
    level = "; this is subtracted from each start" if found.terms.level_clocks else ""
    return f"The carrier's clock is {apart} (median){level}"


def _shown(us: int, zone: tzinfo) -> str:
    return f"{instant(us).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _write(path: Path, found: Reconciliation, told: CdrFile, zone: tzinfo) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            differences.write(file, differences.rows(found, told.unreadable, zone))
    except OSError as error:
        raise BridgeError(f"{path} cannot be written ({error.strerror})") from error


# --- As JSON ------------------------------------------------------------------------------------------------------
def _as_json(found: Reconciliation, told: CdrFile) -> dict[str, Any]:
    return {
        "from": _iso(found.terms.since_us),
        "to": _iso(found.terms.until_us),
        "clock_offset_us": found.clock_offset_us,
        "carrier": {"calls": found.carrier.calls, "duration_us": found.carrier.duration_us},
        "ours": {"calls": found.own.calls, "duration_us": found.own.duration_us},
        "matched": len(found.matched),
        "duration_difference_us": found.duration_difference_us,
        "differing": [
            {
                "fields": sorted(one.fields),
                "start_difference_us": one.start_us,
                "duration_difference_us": one.duration_us,
                "carrier": _theirs(one.carrier),
                "ours": _ours(one.own),
            }
            for one in found.differing
        ],
        "only_carrier": [_theirs(call) for call in found.only_carrier],
        "only_ours": [_ours(call) for call in found.only_own],
        "unreadable": [{"line": one.line, "reason": one.reason} for one in told.unreadable],
        "unanswered": found.unanswered,
        "open": found.open,
    }


def _theirs(call: CarrierCall) -> dict[str, Any]:
    return {
        "line": call.line,
        "answered_at" if call.from_answer else "started_at": _iso(call.at_us),
        "duration_us": call.duration_us,
        "caller": call.caller,
        "number": call.number,
        "sip_call_id": call.sip_call_id,
    }


def _ours(call: OwnCall) -> dict[str, Any]:
    return {
        "id": str(call.id),
        "node": call.node,
        "uniqueid": call.uniqueid,
        "started_at": _iso(call.started_us),
        "answered_at": None if call.answered_us is None else _iso(call.answered_us),
        "ended_at": None if call.ended_us is None else _iso(call.ended_us),
        "duration_us": call.duration_us,
        "caller": call.caller,
        "number": call.number,
        "sip_call_id": call.sip_call_id,
        "outcome": call.outcome,
        "evidence": call.evidence,
    }


def _iso(us: int) -> str:
    return f"{instant(us):%Y-%m-%dT%H:%M:%S.%f}Z"
