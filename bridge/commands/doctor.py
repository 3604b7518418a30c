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
from bridge.doctor.examination import Result, State

Etc = Annotated[
    Path | None,
    typer.Option(
        "--asterisk-conf",
        help="Asterisk's configuration folder, to compare with the settings; the node's own is looked for if left out.",
    ),
]
SHOWN: Final = {State.OK: "ok", State.WARNING: "warning", State.FAILED: "FAILED"}


def doctor(etc: Etc = None, as_json: Json = False) -> None:
    """Say what is wrong with this node, and how to mend it; exit status 1 if anything FAILED."""
    telemetry.configure("critical")  # what is found is a result
    results = catalogue.results(etc)
    healthy = all(result.state is not State.FAILED for result in results)
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
        if result.state is not State.OK and result.mend:
            typer.echo(f"{'':{width}}  {'':7}  → {result.mend}")
    counted = {state: sum(result.state is state for result in results) for state in State}
    typer.echo(f"\n{counted[State.OK]} ok, {counted[State.WARNING]} warnings, {counted[State.FAILED]} FAILED")
