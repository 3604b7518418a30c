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

app = typer.Typer(no_args_is_help=True, help="A private copy of the whole product on this machine, to try it out.")
Folder = Annotated[Path, typer.Option(help="Folder of the sandbox, with its data, logs and keys.")]
HERE = Path(".sandbox")


@app.command()
def up(folder: Folder = HERE) -> None:
    """Start Postgres, Asterisk and the daemon in the background, and write FOLDER/env.

    Parts that run already are left alone. The file `env` holds all addresses
    and keys, for a shell to read.
    """
    sandbox = Sandbox(folder, typer.echo)
    sandbox.up()
    _show_company(sandbox)


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop the daemon, Asterisk and Postgres. Data, keys and logs stay for the next start."""
    Sandbox(folder, typer.echo).down()


@app.command()
def status(folder: Folder = HERE) -> None:
    """Show which parts run. Exit status 1 unless all of them do."""
    states = Sandbox(folder, typer.echo).status()
    for state in states:
        typer.echo(f"{state.part:10} {f'pid {state.pid}' if state.pid else 'stopped':12} {state.about}")
    raise typer.Exit(0 if all(state.pid for state in states) else 1)


@app.command()
def run(folder: Folder = HERE) -> None:
    """Start all parts in the foreground and show the daemon's log. Ctrl-C or SIGTERM stops all parts."""
    sandbox = Sandbox(folder, typer.echo)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        sandbox.up()
        _show_company(sandbox)
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
    """Place real calls to three sub-accounts at once, print their minute records and the bill, and check both.

    The calls take about half a minute. Parts that do not run are started.
    Unless all parts ran before, all of them are stopped at the end.
    """
    demo.run(Sandbox(folder, typer.echo), typer.echo)


@app.command()
def call(
    code: Annotated[str, typer.Argument(help="Digits that the caller keys: a passcode, with # at its end or without.")],
    number: Annotated[str, typer.Option(help="Access number that the caller dials.")] = ACCESS_NUMBER,
    caller: Annotated[str, typer.Option(help="The caller's own phone number.")] = "12125550100",
    stay: Annotated[float, typer.Option(help="Seconds from the last digit until the caller hangs up.")] = 10.0,
    folder: Folder = HERE,
) -> None:
    """Place one real call: dial an access number, key a passcode, stay a while, hang up."""
    sandbox = Sandbox(folder, typer.echo)
    system.ensure(system.for_callers(), typer.echo)
    calling = SipCaller(number, (Digits(code, 1.0),), caller, stay=stay)
    typer.echo(f"{caller} dials {number} ...")
    [log] = asyncio.run(calls.place([calling], sandbox.sip_address))
    if log.answered_at is None:
        raise SandboxError(
            f"the call was not answered: {f'SIP status {log.status}' if log.status else 'no SIP response came'}"
        )
    ended = "the caller hung up" if log.ended_by == "caller" else "the bridge hung up"
    typer.echo(f"answered at {log.answered_at:%H:%M:%S.%f}; {ended} after {log.seconds:.3f} s")


@app.command()
def remove(folder: Folder = HERE) -> None:
    """Stop all parts, and delete the folder with all its data, keys and logs."""
    Sandbox(folder, typer.echo).remove()


def _show_company(sandbox: Sandbox) -> None:
    northwind = company.of(sandbox)
    typer.echo(f"ready: REST at {sandbox.api_url}; call sip:{ACCESS_NUMBER}@{sandbox.sip_address} and key one of")
    for member in northwind.members:
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
                # Somebody may kill the daemon meanwhile and start it again by FOLDER/daemon: the new one is followed.
                daemon = daemon if daemon.alive() else sandbox.daemon
    raise SandboxError(f"The daemon ended by itself; {sandbox.daemon_log} ends:\n{tail(sandbox.daemon_log)}")
