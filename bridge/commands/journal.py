"""`bridge journal`."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from bridge import settings
from bridge.asterisk.journal.file import JournalFile
from bridge.asterisk.journal.history import JournalHistory
from bridge.commands import billing, terminal
from bridge.commands.terminal import Json, Owner, Product
from bridge.documents import text
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.metering import verification
from bridge.domain.metering.records import Call, MinuteRecord, OpenCall, OpenStay, instant, microseconds
from bridge.domain.metering.verification import Difference, FieldDifference, Span, Value, Verification
from bridge.domain.period import SECOND_US
from bridge.settings import JournalSettings
from bridge.storage.metering.incidents import StoredIncident
from bridge.storage.metering.unassigned import Unowned
from bridge.usecases.metering import rebuild_journal as rebuilding
from bridge.usecases.metering import verify_journal as verifying
from bridge.usecases.metering.verify_journal import VerificationScope

journal = typer.Typer(no_args_is_help=True, help="The switch's journal against the ledger.")

LATELY: Final = timedelta(days=31)
ZONE: Final = "UTC"
WHEN: Final = "2026-11-23T14:00:00Z, or 2026-11-23 in UTC"
From = Annotated[str | None, typer.Option("--from", help=f"At or after: {WHEN}. The journal's beginning if left out.")]
To = Annotated[str | None, typer.Option("--to", help=f"Before: {WHEN}. What is committed last if left out.")]
Since = Annotated[str | None, typer.Option("--from", help=f"At or after: {WHEN}.")]
Until = Annotated[str | None, typer.Option("--to", help=f"Before: {WHEN}.")]
TABLE: Final = ("verdict", "what", "id", "uniqueid", "began", "difference")


@journal.command("verify")
def verify(since: From = None, until: To = None, as_json: Json = False) -> None:
    """Fold a period from the journal alone, and print all that Postgres has otherwise.

    Looks at every call that came and every stay that was joined in the period, open or over, on this node.
    Exit status 0 when nothing differs; 1 when something does, and when the comparison could not be made (one line on
    standard error says why). Memory is needed for what differs, not for the period.
    """
    span = _span(since, until)
    found = terminal.run(lambda product: _verified(product, span))
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        _print(found)
    raise typer.Exit(0 if found.agreed else 1)


@journal.command("rebuild")
def rebuild(
    since: From = None,
    until: To = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Mend what `verify` finds, from the journal: by new rows that correct, never by changing one.

    A record that is missing is written with its charge. One that differs is corrected: its charge is taken back, and
    what is right is charged. One that the journal knows nothing of, though it is there, is corrected to nothing. It
    may run beside the daemon, and again: the same rows come out. Exit status 0 when nothing is left that differs.
    """
    span = _span(since, until)
    found = terminal.run(lambda product: _verified(product, span))
    _print(found)
    mendable = [one for one in found.differences if not one.unmendable]
    left = len(found.differences) - len(mendable)
    if not mendable:
        raise typer.Exit(1 if left else 0)
    if not yes and not typer.confirm(f"Mend {len(mendable)} of these?"):
        raise typer.Exit(1)
    progress = _Progress()
    mended = terminal.run(
        lambda product: rebuilding.rebuild_journal(
            _chosen().node, product.books, found, lambda count: progress(f"{count} mended")
        )
    )
    progress("")
    typer.echo(f"{mended} mended" + (f", {left} left as they are" if left else ""))
    raise typer.Exit(1 if left else 0)


@journal.command("unassigned")
def unassigned(since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """List minute records that no sub-account owns: of rooms that don't exist, or that nobody stamped. Of the last 31
    days, unless --from says otherwise."""
    start, end = _instant(since, "from") or datetime.now(UTC) - LATELY, _instant(until, "to")

    async def find(product: Product) -> list[Unowned]:
        found: list[Unowned] = []
        while True:
            after = (found[-1].joined_at, found[-1].id) if found else None
            page = await product.owners.unassigned(start, end, terminal.PAGE, after)
            found += page
            if len(page) < terminal.PAGE:
                return found

    records = terminal.run(find)
    if as_json:
        typer.echo(json.dumps([_unowned(one) for one in records], indent=2))
        return
    shown = ("id", "joined", "duration", "caller", "access_number", "room", "account", "sub_account")
    rows = [
        {
            **_unowned(one),
            "joined": f"{one.joined_at:%Y-%m-%d %H:%M:%S}",
            "duration": text.duration(one.duration_us),
            "account": one.stamped.get("account_id"),
            "sub_account": one.stamped.get("sub_account_id"),
        }
        for one in records
    ]
    if rows:
        terminal.table(rows, shown)
        typer.echo()
    typer.echo(f"{len(records)} records without an owner; times in UTC")


@journal.command("assign")
def assign(
    record: Annotated[str, typer.Argument(help="Id of a minute record.")],
    owner: Owner,
    sub_account: Annotated[str, typer.Option(help="Id or user ID of the sub-account.")],
    reassign: Annotated[bool, typer.Option("--reassign", help="Take it from the sub-account that has it.")] = False,
    as_json: Json = False,
) -> None:
    """Give a minute record to a sub-account: by a row that corrects it, with its charge."""
    record_id = terminal.identifier(record, "record")

    async def work(product: Product) -> UUID:
        account = await terminal.account(product, owner)
        chosen = await billing.owned(product, account.id, sub_account)
        return await product.owners.assign(record_id, account.id, chosen, again=reassign)

    made = terminal.run(work)
    if as_json:
        typer.echo(json.dumps({"id": str(made), "corrects": str(record_id)}, indent=2))
    else:
        typer.echo(f"{made} stands in the place of {record_id}")


@journal.command("incidents")
def incidents(
    since: Since = None,
    until: Until = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as garbage_line.")] = None,
    as_json: Json = False,
) -> None:
    """List what was strange in the journals of all nodes. The same line read again may be told twice."""
    start, end = _instant(since, "from"), _instant(until, "to")

    async def find(product: Product) -> list[StoredIncident]:
        found: list[StoredIncident] = []
        while True:
            page = await product.incidents.page(start, end, kind, terminal.PAGE, found[-1].id if found else None)
            found += page
            if len(page) < terminal.PAGE:
                return found

    rows = [{**asdict(one), "at": f"{one.at:%Y-%m-%dT%H:%M:%S.%f}Z"} for one in terminal.run(find)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if rows:
        terminal.table(rows, ("at", "node", "kind", "subject"))
        typer.echo()
    typer.echo(f"{len(rows)} incidents")


# --- What was typed -----------------------------------------------------------------------------------------------
def _span(since: str | None, until: str | None) -> Span:
    start, end = _instant(since, "from"), _instant(until, "to")
    span = Span(microseconds(start) if start else None, microseconds(end) if end else None)
    if span.since_us is not None and span.until_us is not None and span.since_us >= span.until_us:
        raise Invalid("to", "the period ends before it begins")
    return span


def _instant(said: str | None, what: str) -> Any:
    return None if said is None else terminal.instant(said, what, ZONE)


def _chosen() -> JournalSettings:
    return settings.load(JournalSettings)


async def _verified(product: Product, span: Span) -> Verification:
    chosen = _chosen()
    if not chosen.journal.parent.is_dir():
        raise BridgeError(f"the folder of BRIDGE_JOURNAL {chosen.journal} is not there: run this on the node itself")
    terms = VerificationScope(chosen.node, chosen.rtp_timeout * SECOND_US, chosen.longest_stay * SECOND_US, span)
    history = JournalHistory(JournalFile(chosen.journal, 0, chosen.journal_archive))
    progress = _Progress()
    found = await verifying.verify_journal(
        history, product.books, terms, lambda lines, at_us: progress(f"{lines} lines read, up to {_time(at_us)}")
    )
    progress("")
    return found


class _Progress:
    """One line on a terminal that is written over; nothing where nobody looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)


# --- What is printed ----------------------------------------------------------------------------------------------
def _print(found: Verification) -> None:
    if found.differences:
        terminal.table([_row(one) for one in found.differences], TABLE)
        typer.echo()
    if found.extent is None:
        typer.echo("Nothing of this node's journal is committed and there to compare")
        return
    typer.echo(
        f"The journal from {_time(found.extent.since_us)} up to {_time(found.extent.until_us)}, as it is committed"
    )
    if found.uncovered:
        typer.echo(
            f"{found.uncovered} only in Postgres, of times whose journal is not there, or not whole: not compared"
        )
    typer.echo(_summary(found))


def _summary(found: Verification) -> str:
    parts = [f"{found.stays} stays and {found.calls} calls in the journal"]
    for verdict in verification.Verdict:
        count = sum(one.verdict is verdict for one in found.differences)
        if count:
            parts.append(f"{count} {verdict.value.replace('_', ' ')}")
    return ", ".join(parts if found.differences else [*parts, "nothing differs"])


def _row(one: Difference) -> dict[str, object]:
    return {
        "verdict": one.verdict.value.replace("_", " "),
        "what": one.kind.value,
        "id": str(one.id),
        "uniqueid": _uniqueid(one),
        "began": _time(one.at_us),
        "difference": "; ".join([*map(_told, one.fields), *([one.unmendable] if one.unmendable else [])]),
    }


def _told(field: FieldDifference) -> str:
    return f"{field.name} {_shown(field.name, field.journal)}, Postgres {_shown(field.name, field.ledger)}"


def _shown(name: str, value: Value) -> str:
    if value is None or value == "":
        return "-"
    return _time(value) if name.endswith("_at") and isinstance(value, int) else str(value)


def _uniqueid(one: Difference) -> str:
    if one.ledger is not None:
        return one.ledger.key[1]
    match one.journal:
        case MinuteRecord(stay=OpenStay(identity=identity)) | OpenStay(identity=identity):
            return identity.uniqueid
        case Call(call=OpenCall(uniqueid=uniqueid)) | OpenCall(uniqueid=uniqueid):
            return uniqueid
        case None:
            return ""


def _time(us: int) -> str:
    return f"{instant(us):%Y-%m-%dT%H:%M:%S.%f}Z"


def _as_json(found: Verification) -> dict[str, Any]:
    extent = found.extent
    return {
        "from": _time(extent.since_us) if extent else None,
        "to": _time(extent.until_us) if extent else None,
        "stays": found.stays,
        "calls": found.calls,
        "not_covered": found.uncovered,
        "differences": [
            {
                "verdict": one.verdict.value,
                "what": one.kind.value,
                "id": str(one.id),
                "uniqueid": _uniqueid(one),
                "began_at": _time(one.at_us),
                "fields": {
                    field.name: {
                        "journal": _value(field.name, field.journal),
                        "ledger": _value(field.name, field.ledger),
                    }
                    for field in one.fields
                },
                "unmendable": one.unmendable or None,
            }
            for one in found.differences
        ],
    }


def _value(name: str, value: Value) -> Value:
    return _time(value) if name.endswith("_at") and isinstance(value, int) else value


def _unowned(one: Unowned) -> dict[str, Any]:
    joined = f"{one.joined_at:%Y-%m-%dT%H:%M:%S.%f}Z"
    return {**asdict(one), "id": str(one.id), "joined_at": joined, "stamped": dict(one.stamped)}
