"""The commands `bridge sandbox …`."""

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.node import PROJECT
from bridge.sandbox.stack import Sandbox

app = typer.Typer(no_args_is_help=True, help="The whole product on this machine, privately, for trying it out.")
Folder = Annotated[Path, typer.Option(help="Where the sandbox lives.")]
HERE = PROJECT / ".sandbox"


@app.command()
def up(folder: Folder = HERE) -> None:
    """Start Postgres, Asterisk and the daemon, as far as they are not running, and write FOLDER/env."""
    Sandbox(folder, typer.echo).up()
    typer.echo(f"ready: everything you need is in {folder / 'env'}")


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop all of it; data stay for the next time."""
    Sandbox(folder, typer.echo).down()


@app.command()
def status(folder: Folder = HERE) -> None:
    """Show what runs."""
    for state in Sandbox(folder, typer.echo).status():
        typer.echo(f"{state.part:10} {f'pid {state.pid}' if state.pid else 'stopped':12} {state.about}")


@app.command()
def run(folder: Folder = HERE) -> None:
    """Start all of it, show the daemon's log, and stop all of it on Ctrl-C."""
    sandbox = Sandbox(folder, typer.echo)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sandbox.up()
        typer.echo("ready; Ctrl-C ends it")
        _follow(sandbox)
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        sandbox.down()


def _follow(sandbox: Sandbox) -> None:
    with sandbox.daemon_log.open(errors="replace") as log:
        log.seek(0, 2)
        daemon = sandbox.daemon
        while daemon and daemon.alive():
            text = log.read()
            typer.echo(text, nl=False)
            if not text:
                time.sleep(0.1)
                # The daemon may be killed and started again by its own command while this follows.
                daemon = daemon if daemon.alive() else sandbox.daemon
    raise SandboxError(f"The daemon ended; its log ends:\n{tail(sandbox.daemon_log)}")
