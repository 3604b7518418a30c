"""`bridge reconcile`: a carrier's file of calls (CDRs), compared with the calls in Postgres. Needs no daemon."""

from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bridge.carriers import cdr_file, cdr_format
from bridge.carriers.cdr_file import CdrFile
from bridge.carriers.cdr_format import CdrFormat
from bridge.commands import postgres, terminal
from bridge.commands.terminal import Json
from bridge.documents import differences
from bridge.domain import notation
from bridge.domain.billing import carrier_reconciliation
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall
from bridge.domain.billing.carrier_reconciliation import Reconciliation, ReconciliationTerms, Sum
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.metering.records import instant, microseconds
from bridge.domain.period import SECOND_US
from bridge.usecases.billing.reconcile_carrier import reconcile_carrier

Column = "Heading or position of the column with"
TABLE: Final = ("verdict", "line", "started", "caller", "number", "carrier_seconds", "our_seconds", "difference")


def reconcile(
    file: Annotated[Path, typer.Argument(help="The carrier's file of calls: CSV, one call a line.")],
    since: Annotated[
        str | None, typer.Option("--from", help="Only calls at or after this time. Default: the file's first call.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Only calls before this time. Default: after the file's last call.")
    ] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="Only calls to this access number. May be given several times.")
    ] = None,
    tolerance: Annotated[
        str, typer.Option(help="Largest difference of starts and durations to ignore, such as 500ms.")
    ] = "1s",
    window: Annotated[
        str, typer.Option(help="Without a SIP Call-ID, two calls are the same only if they start within this time.")
    ] = "30s",
    digits: Annotated[
        int, typer.Option(help="Two numbers are the same if this many last digits are.", min=3, max=20)
    ] = 8,
    level_clocks: Annotated[
        bool, typer.Option("--level-clocks", help="First subtract the offset between the two clocks from each start.")
    ] = False,
    unanswered: Annotated[bool, typer.Option("--unanswered", help="Compare calls that nobody answered, too.")] = False,
    format_file: Annotated[
        Path | None,
        typer.Option("--format", help="TOML file that describes this carrier's format: see docs/reconcile.md."),
    ] = None,
    caller_column: Annotated[str | None, typer.Option(help=f"{Column} the caller's number.")] = None,
    number_column: Annotated[str | None, typer.Option(help=f"{Column} the dialled number.")] = None,
    start_column: Annotated[
        list[str] | None,
        typer.Option(help=f"{Column} the time of arrival. Give it twice if date and time are two columns."),
    ] = None,
    answer_column: Annotated[
        list[str] | None,
        typer.Option(help=f"{Column} the time of answer. Give it twice if date and time are two columns."),
    ] = None,
    end_column: Annotated[
        list[str] | None,
        typer.Option(help=f"{Column} the time of hang-up. Give it twice if date and time are two columns."),
    ] = None,
    duration_column: Annotated[str | None, typer.Option(help=f"{Column} the duration from answer to hang-up.")] = None,
    call_id_column: Annotated[str | None, typer.Option(help=f"{Column} the SIP Call-ID.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Character between columns. Default: detected.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Default: UTF-8, or UTF-16 if the file starts with a byte order mark.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="Such as %d.%m.%Y %H:%M:%S. ISO 8601 and seconds since 1970 need none.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Zone of times that name none. Default: UTC.")] = None,
    duration_unit: Annotated[str | None, typer.Option(help="s or ms. Durations written as h:mm:ss need none.")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The file has no headings: columns are given by position, from 1.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write every difference to this CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """Compare a carrier's file of calls with ours: list calls that only one side has, and calls that differ.

    Changes nothing. Exit status 0: all calls agree. Exit status 1: there is a
    difference or a line that cannot be read, or the comparison could not be
    made; then one line on standard error says why.
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
    progress = terminal.ProgressLine()
    cdrs = cdr_file.read(file, known, lambda lines: progress(f"{lines} lines read"))
    since_us, until_us = _period(cdrs, since, until, known)
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
    result = postgres.run(
        lambda repositories: reconcile_carrier(
            repositories.calls, cdrs.calls, terms, lambda count: progress(f"{count} of our calls read")
        )
    )
    progress("")
    if csv is not None:
        _write(csv, result, cdrs, known.zone)
    if as_json:
        terminal.print_json(_as_json(result, cdrs))
    else:
        _print(result, cdrs, known)
    raise typer.Exit(0 if result.agreed and not cdrs.unreadable else 1)


def _period(cdrs: CdrFile, since: str | None, until: str | None, known: CdrFormat) -> tuple[int, int]:
    """Return the period as typed, else that of the file's calls, in µs since 1970. Raises Invalid."""
    spanned = carrier_reconciliation.span(cdrs.calls)
    if spanned is None and (since is None or until is None):
        raise Invalid("from", "the file has no call: give the period by --from and --to")
    first, last = spanned or (0, 0)
    start = microseconds(terminal.instant(since, "from", known.time_zone)) if since else first
    end = microseconds(terminal.instant(until, "to", known.time_zone)) if until else last
    if start >= end:
        raise Invalid("to", "the period ends before it begins, or before the file's first call")
    return start, end


# --- What is printed ----------------------------------------------------------------------------------------------
def _print(result: Reconciliation, cdrs: CdrFile, known: CdrFormat) -> None:
    rows = list(differences.rows(result, cdrs.unreadable, known.zone))
    if rows:
        terminal.table(rows, TABLE)
        typer.echo()
    since, until = _shown(result.terms.since_us, known.zone), _shown(result.terms.until_us, known.zone)
    typer.echo(f"Calls from {since} up to {until} ({known.time_zone}); differences are carrier - ours")
    typer.echo(_clock(result))
    typer.echo(f"carrier  {_sum(result.carrier)}")
    typer.echo(f"ours     {_sum(result.own)}")
    typer.echo(_summary(result, cdrs))


def _summary(result: Reconciliation, cdrs: CdrFile) -> str:
    differing = len(result.differing)
    parts = [
        f"{len(result.matched) - differing} agree",
        f"{differing} differ",
        f"{len(result.only_carrier)} only with the carrier",
        f"{len(result.only_own)} only with us",
    ]
    rest = [
        (len(cdrs.unreadable), "of the file's lines not readable"),
        (result.unanswered, "left out that nobody answered"),
        (result.open, "of ours still open"),
    ]
    return ", ".join(parts + [f"{count} {what}" for count, what in rest if count])


def _sum(side: Sum) -> str:
    return f"{side.calls:>9} calls {notation.duration(side.duration_us):>20}"


def _clock(result: Reconciliation) -> str:
    if result.clock_offset_us is None:
        return "No call is in both books"
    apart = (
        f"{abs(result.clock_offset_us) / SECOND_US:.3f} s {'behind' if result.clock_offset_us < 0 else 'ahead of'} ours"
    )
    level = "; this is subtracted from each start" if result.terms.level_clocks else ""
    return f"The carrier's clock is {apart} (median){level}"


def _shown(us: int, zone: tzinfo) -> str:
    return notation.local_time(instant(us), zone)


def _write(path: Path, result: Reconciliation, cdrs: CdrFile, zone: tzinfo) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            differences.write(file, differences.rows(result, cdrs.unreadable, zone))
    except OSError as error:
        raise BridgeError(f"{path} cannot be written ({error.strerror})") from error


# --- As JSON ------------------------------------------------------------------------------------------------------
def _as_json(result: Reconciliation, cdrs: CdrFile) -> dict[str, Any]:
    return {
        "from": _iso(result.terms.since_us),
        "to": _iso(result.terms.until_us),
        "clock_offset_us": result.clock_offset_us,
        "carrier": {"calls": result.carrier.calls, "duration_us": result.carrier.duration_us},
        "ours": {"calls": result.own.calls, "duration_us": result.own.duration_us},
        "matched": len(result.matched),
        "duration_difference_us": result.duration_difference_us,
        "differing": [
            {
                "fields": sorted(one.fields),
                "start_difference_us": one.start_us,
                "duration_difference_us": one.duration_us,
                "carrier": _theirs(one.carrier),
                "ours": _ours(one.own),
            }
            for one in result.differing
        ],
        "only_carrier": [_theirs(call) for call in result.only_carrier],
        "only_ours": [_ours(call) for call in result.only_own],
        "unreadable": [{"line": one.line, "reason": one.reason} for one in cdrs.unreadable],
        "unanswered": result.unanswered,
        "open": result.open,
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
    return notation.rfc3339(instant(us))
