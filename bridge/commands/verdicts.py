"""The result of `bridge journal verify`, printed for people or as JSON."""

from typing import Any, Final

import typer

from bridge.commands import terminal
from bridge.domain import notation
from bridge.domain.metering import verification
from bridge.domain.metering.records import Call, MinuteRecord, OpenCall, OpenStay, instant
from bridge.domain.metering.verification import Difference, FieldDifference, Value, Verification

TABLE: Final = ("verdict", "what", "id", "uniqueid", "began", "difference")


def show(result: Verification) -> None:
    """Print a table of the differences, and a summary."""
    if result.differences:
        terminal.table([_row(difference) for difference in result.differences], TABLE)
        typer.echo()
    if result.extent is None:
        typer.echo("Nothing to compare: no line of this node's journal has been committed to Postgres")
        return
    since, until = time(result.extent.since_us), time(result.extent.until_us)
    typer.echo(f"Compared the journal from {since} up to {until}, the last line that is committed to Postgres")
    if result.uncovered:
        typer.echo(f"{result.uncovered} rows of Postgres not compared: the journal of their time is missing or damaged")
    typer.echo(_summary(result))


def as_json(result: Verification) -> dict[str, Any]:
    """Return the differences and the summary for programs."""
    extent = result.extent
    return {
        "from": time(extent.since_us) if extent else None,
        "to": time(extent.until_us) if extent else None,
        "stays": result.stays,
        "calls": result.calls,
        "not_covered": result.uncovered,
        "differences": [
            {
                "verdict": difference.verdict.value,
                "what": difference.kind.value,
                "id": str(difference.id),
                "uniqueid": _uniqueid(difference),
                "began_at": time(difference.at_us),
                "fields": {
                    field.name: {
                        "journal": _value(field.name, field.journal),
                        "ledger": _value(field.name, field.ledger),
                    }
                    for field in difference.fields
                },
                "unmendable": difference.unmendable or None,
            }
            for difference in result.differences
        ],
    }


def time(us: int) -> str:
    """Write microseconds since 1970 as RFC 3339 in UTC."""
    return notation.rfc3339(instant(us))


def _summary(result: Verification) -> str:
    parts = [f"{result.stays} stays and {result.calls} calls in the journal"]
    for verdict in verification.Verdict:
        count = sum(difference.verdict is verdict for difference in result.differences)
        if count:
            parts.append(f"{count} {verdict.value.replace('_', ' ')}")
    return ", ".join(parts if result.differences else [*parts, "nothing differs"])


def _row(difference: Difference) -> dict[str, object]:
    reasons = [difference.unmendable] if difference.unmendable else []
    return {
        "verdict": difference.verdict.value.replace("_", " "),
        "what": difference.kind.value,
        "id": str(difference.id),
        "uniqueid": _uniqueid(difference),
        "began": time(difference.at_us),
        "difference": "; ".join([*map(_both_values, difference.fields), *reasons]),
    }


def _both_values(field: FieldDifference) -> str:
    return f"{field.name} {_shown(field.name, field.journal)}, Postgres {_shown(field.name, field.ledger)}"


def _shown(name: str, value: Value) -> str:
    return "-" if value is None or value == "" else str(_value(name, value))


def _value(name: str, value: Value) -> Value:
    """Names that end in `_at` are instants, in microseconds since 1970."""
    return time(value) if name.endswith("_at") and isinstance(value, int) else value


def _uniqueid(difference: Difference) -> str:
    if difference.ledger is not None:
        return difference.ledger.key[1]
    match difference.journal:
        case MinuteRecord(stay=OpenStay(identity=identity)) | OpenStay(identity=identity):
            return identity.uniqueid
        case Call(call=OpenCall(uniqueid=uniqueid)) | OpenCall(uniqueid=uniqueid):
            return uniqueid
        case None:
            return ""
