"""`bridge journal`: the commands on the switch's journal. They work on Postgres, whether the daemon runs or not."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from bridge import settings
from bridge.asterisk.journal.file import JournalFile
from bridge.asterisk.journal.history import JournalHistory
from bridge.commands import postgres, terminal, verdicts
from bridge.commands.postgres import Repositories
from bridge.commands.terminal import Json, Owner
from bridge.domain import notation
from bridge.domain.errors import BridgeError, Invalid
from bridge.domain.metering.records import microseconds
from bridge.domain.metering.verification import Span, Verification
from bridge.domain.period import SECOND_US
from bridge.settings import JournalSettings
from bridge.storage.metering.incidents import StoredIncident
from bridge.storage.metering.unassigned import Unowned
from bridge.usecases.metering.rebuild_journal import rebuild_journal
from bridge.usecases.metering.verify_journal import VerificationScope, verify_journal

journal = typer.Typer(no_args_is_help=True, help="Asterisk's event journal, compared with the minute records.")

DEFAULT_PERIOD: Final = timedelta(days=31)
ZONE: Final = "UTC"
WHEN: Final = "2026-11-23T14:00:00Z, or 2026-11-23 in UTC"
From = Annotated[str | None, typer.Option("--from", help=f"At or after: {WHEN}. Default: the start of the journal.")]
To = Annotated[str | None, typer.Option("--to", help=f"Before: {WHEN}. Default: the last line that is committed.")]
Since = Annotated[str | None, typer.Option("--from", help=f"At or after: {WHEN}.")]
Until = Annotated[str | None, typer.Option("--to", help=f"Before: {WHEN}.")]
UNASSIGNED: Final = ("id", "joined", "duration", "caller", "access_number", "room", "account", "sub_account")


@journal.command("verify")
def verify(since: From = None, until: To = None, as_json: Json = False) -> None:
    """Compute the minute records of a period from the journal alone, and list each difference from Postgres.

    Compares every call that came in and every stay that began in the period on
    this node, over or not. Changes nothing. Exit status 0: nothing differs.
    Exit status 1: something differs, or the comparison could not be made; then
    one line on standard error says why. Memory grows with the number of
    differences, not with the period.
    """
    span = _span(since, until)
    result = postgres.run(lambda repositories: _verified(repositories, span))
    if as_json:
        terminal.print_json(verdicts.as_json(result))
    else:
        verdicts.show(result)
    raise typer.Exit(0 if result.agreed else 1)


@journal.command("rebuild")
def rebuild(
    since: From = None,
    until: To = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Correct the differences that `verify` lists, from the journal. Only adds rows; never changes one.

    A missing record is written, with its charge. A record that differs gets a
    correction: the old charge is taken back and the right one is added. A
    record that the journal does not know is corrected to nothing. The command
    may run beside the daemon, and a second run writes the same rows. Exit
    status 0: no difference is left.
    """
    span = _span(since, until)
    result = postgres.run(lambda repositories: _verified(repositories, span))
    verdicts.show(result)
    mendable = [difference for difference in result.differences if not difference.unmendable]
    left = len(result.differences) - len(mendable)
    if not mendable:
        raise typer.Exit(1 if left else 0)
    if not yes and not typer.confirm(f"Mend {len(mendable)} of these?"):
        raise typer.Exit(1)
    progress = terminal.ProgressLine()
    mended = postgres.run(
        lambda repositories: rebuild_journal(
            _settings().node, repositories.audit, result, lambda count: progress(f"{count} mended")
        )
    )
    progress("")
    typer.echo(f"{mended} mended" + (f", {left} left as they are" if left else ""))
    raise typer.Exit(1 if left else 0)


@journal.command("unassigned")
def unassigned(since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """List minute records that belong to no sub-account, and so are in no bill: `bridge journal assign` gives them one.

    Such records come from channels that the daemon did not stamp, or from rooms
    that do not exist. Lists the last 31 days, unless --from is given.
    """
    start, end = _instant(since, "from") or datetime.now(UTC) - DEFAULT_PERIOD, _instant(until, "to")

    async def find(repositories: Repositories) -> list[Unowned]:
        found: list[Unowned] = []
        while True:
            after = (found[-1].joined_at, found[-1].id) if found else None
            page = await repositories.unassigned.unassigned(start, end, postgres.PAGE, after)
            found += page
            if len(page) < postgres.PAGE:
                return found

    records = postgres.run(find)
    if as_json:
        terminal.print_json([_record(one) for one in records])
        return
    if records:
        terminal.table([_row(one) for one in records], UNASSIGNED)
        typer.echo()
    typer.echo(f"{len(records)} records without an owner; times in UTC")


@journal.command("assign")
def assign(
    record: Annotated[str, typer.Argument(help="Id of a minute record.")],
    owner: Owner,
    sub_account: Annotated[str, typer.Option(help="Id or user ID of the sub-account.")],
    reassign: Annotated[
        bool, typer.Option("--reassign", help="Assign it even if another sub-account has it already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give a minute record to a sub-account, by a correction that carries the charge."""
    record_id = terminal.identifier(record, "record")

    async def work(repositories: Repositories) -> UUID:
        account = await postgres.account(repositories, owner)
        sub_account_id = await postgres.sub_account_id(repositories, account.id, sub_account)
        return await repositories.unassigned.assign(record_id, account.id, sub_account_id, again=reassign)

    made = postgres.run(work)
    if as_json:
        terminal.print_json({"id": str(made), "corrects": str(record_id)})
    else:
        typer.echo(f"record {made} now replaces {record_id}")


@journal.command("incidents")
def incidents(
    since: Since = None,
    until: Until = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as garbage_line.")] = None,
    as_json: Json = False,
) -> None:
    """List what was wrong with the journals of all nodes, such as lines that cannot be read.

    A journal line that was read twice may be listed twice.
    """
    start, end = _instant(since, "from"), _instant(until, "to")

    async def find(repositories: Repositories) -> list[StoredIncident]:
        found: list[StoredIncident] = []
        while True:
            after = found[-1].id if found else None
            page = await repositories.incidents.page(start, end, kind, postgres.PAGE, after)
            found += page
            if len(page) < postgres.PAGE:
                return found

    rows = [{**asdict(one), "at": notation.rfc3339(one.at)} for one in postgres.run(find)]
    if as_json:
        terminal.print_json(rows)
        return
    if rows:
        terminal.table(rows, ("at", "node", "kind", "subject"))
        typer.echo()
    typer.echo(f"{len(rows)} incidents")


def _span(since: str | None, until: str | None) -> Span:
    start, end = _instant(since, "from"), _instant(until, "to")
    span = Span(microseconds(start) if start else None, microseconds(end) if end else None)
    if span.since_us is not None and span.until_us is not None and span.since_us >= span.until_us:
        raise Invalid("to", "the period ends before it begins")
    return span


def _instant(typed: str | None, field: str) -> datetime | None:
    return None if typed is None else terminal.instant(typed, field, ZONE)


def _settings() -> JournalSettings:
    return settings.load(JournalSettings)


async def _verified(repositories: Repositories, span: Span) -> Verification:
    chosen = _settings()
    if not chosen.journal.parent.is_dir():
        raise BridgeError(
            f"there is no folder {chosen.journal.parent}, which BRIDGE_JOURNAL names: run this on the node itself"
        )
    terms = VerificationScope(chosen.node, chosen.rtp_timeout * SECOND_US, chosen.longest_stay * SECOND_US, span)
    history = JournalHistory(JournalFile(chosen.journal, 0, chosen.journal_archive))
    progress = terminal.ProgressLine()
    result = await verify_journal(
        history,
        repositories.audit,
        terms,
        lambda lines, at_us: progress(f"{lines} lines read, up to {verdicts.time(at_us)}"),
    )
    progress("")
    return result


def _row(one: Unowned) -> dict[str, Any]:
    return {
        **_record(one),
        "joined": notation.local_time(one.joined_at, UTC),
        "duration": notation.duration(one.duration_us),
        "account": one.stamped.get("account_id"),
        "sub_account": one.stamped.get("sub_account_id"),
    }


def _record(one: Unowned) -> dict[str, Any]:
    joined = notation.rfc3339(one.joined_at)
    return {**asdict(one), "id": str(one.id), "joined_at": joined, "stamped": dict(one.stamped)}
