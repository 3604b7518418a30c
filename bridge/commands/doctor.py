"""`bridge doctor`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from bridge import telemetry
from bridge.commands.terminal import Json
from bridge.doctor import catalogue
from bridge.doctor.examination import CheckState, Result

Etc = Annotated[
    Path | None,
    typer.Option(
        "--asterisk-conf",
        help="Asterisk's configuration folder, to compare with the settings. Default: it is searched.",
    ),
]
SHOWN: Final = {CheckState.OK: "ok", CheckState.WARNING: "warning", CheckState.FAILED: "FAILED"}


TrunkName = Annotated[
    str | None,
    typer.Option("--trunk", help="Name or id of a SIP trunk: check that one alone, and ask its carrier."),
]


def doctor(etc: Etc = None, trunk: TrunkName = None, as_json: Json = False) -> None:
    """Check this node, and say what is wrong and how to mend it. Changes nothing.

    Checks the settings, Postgres, Asterisk, its configuration and journal,
    disks, clock, ports and the daemon. Exit status 1 if anything FAILED.
    """
    telemetry.configure("critical")  # problems are printed as results; the log would repeat them
    results = catalogue.results(etc, trunk)
    healthy = all(result.state is not CheckState.FAILED for result in results)
    if as_json:
        found = [asdict(result) for result in results]
        typer.echo(json.dumps({"ok": healthy, "results": found}, indent=2, ensure_ascii=False))
    else:
        _show(results)
    raise typer.Exit(0 if healthy else 1)


def _show(results: Sequence[Result]) -> None:
    width = max(len(result.check) for result in results)
    for result in results:
        typer.echo(f"{result.check:{width}}  {SHOWN[result.state]:7}  {result.what}")
        if result.state is not CheckState.OK and result.mend:
            typer.echo(f"{'':{width}}  {'':7}  → {result.mend}")
    counted = {state: sum(result.state is state for result in results) for state in CheckState}
    typer.echo(
        f"\n{counted[CheckState.OK]} ok, {counted[CheckState.WARNING]} warnings, {counted[CheckState.FAILED]} FAILED"
    )
