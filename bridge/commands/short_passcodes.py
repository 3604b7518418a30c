"""`bridge passcode rotate-short`: gives new digits to the passcodes that are too short for the odds of a guess."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Final

import typer

from bridge.api.http import csv_rows
from bridge.commands import postgres, terminal
from bridge.commands.postgres import Repositories
from bridge.commands.terminal import Json
from bridge.domain.provisioning import code_lengths
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning.rotate_short_passcodes import (
    RotatedPasscode,
    rotate_short_passcodes,
    short_passcodes,
    worst_odds,
)

COUNTED: Final = ("account", "digits", "passcodes")
ROTATED: Final = ("account", "user_id", "role", "label", "old_id", "old_digits", "digits")

Account = Annotated[str | None, typer.Option("--account", help="Id or name of an account: its passcodes alone.")]
Overlap = Annotated[
    int, typer.Option("--overlap-days", min=0, max=7, help="Days for which the old digits go on to admit callers.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Rotate them. Without it nothing is changed.")]


def rotate_short(
    account: Account = None, overlap_days: Overlap = 0, apply: Apply = False, as_json: Json = False
) -> None:
    """Give new digits to all passcodes that are too short for BRIDGE_GUESS_ODDS.

    Those are passcodes of an earlier version or of another bridge. Without
    --apply the command only counts them. With --apply it prints the new digits
    of each as CSV, for their owners. An expired passcode is revoked instead. The
    command may be stopped and run again. It needs Postgres and
    BRIDGE_PASSCODE_KEY, and no daemon.
    """

    async def work(repositories: Repositories) -> dict[str, Any]:
        tenants = repositories.tenants
        account_id = None if account is None else (await postgres.account(repositories, account)).id
        before = await _odds(tenants)
        if not apply:
            found = Counter([(one.account, one.length) async for one in short_passcodes(tenants, account_id)])
            short = [dict(zip(COUNTED, (*key, count), strict=True)) for key, count in sorted(found.items())]
            return {"odds": before, "short": short}
        keys = await repositories.keys()
        overlap, rotated = timedelta(days=overlap_days), list[dict[str, Any]]()
        async for one in rotate_short_passcodes(
            tenants, keys, repositories.atomically, datetime.now(UTC), overlap, account_id
        ):
            rotated.append(_row(one))
            if not as_json:
                # Each at once: if the command is stopped, the new digits are known.
                _write(rotated[-1], with_head=len(rotated) == 1)
        return {"odds_before": before, "odds": await _odds(tenants), "rotated": rotated}

    result = postgres.run(work)
    if as_json:
        terminal.print_json(result)
    elif apply:
        _report(result)
    else:
        _announce(result)


async def _odds(tenants: PostgresTenants) -> dict[str, float]:
    shared, own = worst_odds(await tenants.code_spaces())
    return {"shared": float(shared), "own": float(own)}


def _row(one: RotatedPasscode) -> dict[str, Any]:
    old = one.old
    told = (old.account, old.user_id, old.role.value, old.label, str(old.id), old.length, one.digits)
    return dict(zip(ROTATED, told, strict=True))


def _write(row: dict[str, Any], *, with_head: bool) -> None:
    """Print a row of the CSV file. No cell is a formula to a spreadsheet."""
    text = io.StringIO()
    rows = csv.DictWriter(text, ROTATED, lineterminator="\n")
    if with_head:
        rows.writeheader()
    rows.writerow({name: "" if cell is None else csv_rows.harmless(str(cell)) for name, cell in row.items()})
    typer.echo(text.getvalue(), nl=False)


def _announce(result: dict[str, Any]) -> None:
    if not result["short"]:
        typer.echo("no passcode is too short")
    else:
        terminal.table(result["short"], COUNTED)
        typer.echo(
            f"\n{sum(row['passcodes'] for row in result['short'])} passcodes are too short: --apply rotates them"
        )
    typer.echo(f"odds of a guess: {_words(result['odds'])}")


def _report(result: dict[str, Any]) -> None:
    """Say on standard error what was done, since standard output is the CSV file."""
    revoked = sum(row["digits"] is None for row in result["rotated"])
    typer.echo(f"{len(result['rotated']) - revoked} passcodes rotated, {revoked} expired ones revoked", err=True)
    typer.echo(f"odds of a guess: {_words(result['odds_before'])} before; {_words(result['odds'])} now", err=True)


def _words(odds: dict[str, float]) -> str:
    told = {space: code_lengths.in_words(Fraction(chance)) for space, chance in odds.items()}
    return f"{told['shared']} on shared numbers, {told['own']} in the worst own code space"
