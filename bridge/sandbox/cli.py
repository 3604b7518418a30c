"""The commands `bridge sandbox …`."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from bridge.sandbox import company, demo
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import system
from bridge.sandbox.stack import Sandbox

app = typer.Typer(no_args_is_help=True, help="The whole product on this machine, privately, for trying it out.")
Folder = Annotated[Path, typer.Option(help="Where the sandbox lives.")]
HERE = Path(".sandbox")


@app.command()
def up(folder: Folder = HERE) -> None:
    """Start Postgres, Asterisk and the daemon, as far as they are not running, and write FOLDER/env."""
    sandbox = Sandbox(folder, typer.echo)
    sandbox.up()
    _tell(sandbox)


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop all of it; data stay for the next time."""
    Sandbox(folder, typer.echo).down()


@app.command()
def status(folder: Folder = HERE) -> None:
    """Show what runs; exit status 1 unless all of it does."""
    states = Sandbox(folder, typer.echo).status()
    for state in states:
        typer.echo(f"{state.part:10} {f'pid {state.pid}' if state.pid else 'stopped':12} {state.about}")
    raise typer.Exit(0 if all(state.pid for state in states) else 1)


@app.command()
def run(folder: Folder = HERE) -> None:
    """Start all of it, show the daemon's log, and stop all of it on Ctrl-C or SIGTERM."""
    sandbox = Sandbox(folder, typer.echo)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        sandbox.up()
        _tell(sandbox)
        _follow(sandbox)
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        # An impatient second Ctrl-C must not leave processes behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        sandbox.down()


@app.command(name="demo")
def play(folder: Folder = HERE) -> None:
    """Place real calls of several sub-accounts at once, print minutes and the bill, and check them."""
    demo.run(Sandbox(folder, typer.echo), typer.echo)


@app.command()
def call(
    code: Annotated[str, typer.Argument(help="What is keyed: a passcode, and a # if you like.")],
    number: Annotated[str, typer.Option(help="The access number that is dialled.")] = ACCESS_NUMBER,
    caller: Annotated[str, typer.Option(help="The number that calls.")] = "12125550100",
    stay: Annotated[float, typer.Option(help="Seconds that the caller stays after the last digit.")] = 10.0,
    folder: Folder = HERE,
) -> None:
    """Place one real call: dial, key, stay, hang up."""
    sandbox = Sandbox(folder, typer.echo)
    system.ensure(system.for_callers(), typer.echo)
    calling = SipCaller(number, (Digits(code, 1.0),), caller, stay=stay)
    typer.echo(f"{caller} dials {number} ...")
    [log] = asyncio.run(calls.place([calling], sandbox.sip_address))
    if log.answered_at is None:
        raise SandboxError(f"the call was not answered: SIP status {log.status or 'none'}")
    ended = "the caller hung up" if log.ended_by == "caller" else "the bridge hung up"
    typer.echo(f"answered at {log.answered_at:%H:%M:%S.%f}; {ended} after {log.seconds:.3f} s")


@app.command()
def remove(folder: Folder = HERE) -> None:
    """Stop all of it and delete its data."""
    Sandbox(folder, typer.echo).remove()


def _tell(sandbox: Sandbox) -> None:
    found = company.of(sandbox)
    typer.echo(f"ready: REST at {sandbox.api_url}; call sip:{ACCESS_NUMBER}@{sandbox.sip_address} and key")
    for member in found.members:
        codes = ", ".join(f"{digits} ({role})" for role, digits in member.digits.items())
        typer.echo(f"  {codes:36} for the room of {member.name}")
    typer.echo(f"all addresses and keys: {sandbox.folder / 'env'}")


def _follow(sandbox: Sandbox) -> None:
    with sandbox.daemon_log.open(errors="replace") as log:
        log.seek(0, os.SEEK_END)
        daemon = sandbox.daemon
        while daemon and daemon.alive():
            text = log.read()
            typer.echo(text, nl=False)
            if not text:
                time.sleep(0.1)
                # The daemon may be killed and started again by its own command while this follows.
                daemon = daemon if daemon.alive() else sandbox.daemon
    raise SandboxError(f"The daemon ended; its log ends:\n{tail(sandbox.daemon_log)}")
