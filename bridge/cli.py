"""Command line of the product: the command `bridge`, with all its subcommands."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge import settings
from bridge.asterisk.config import files, trunks
from bridge.commands import (
    billing,
    doctor,
    environment_file,
    journal,
    reconcile,
    renewal,
    resources,
    short_passcodes,
    tariffs,
)
from bridge.commands.terminal import Json
from bridge.daemon import app as daemon
from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.storage.postgres import migration

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="A conference bridge on Asterisk.")
asterisk = typer.Typer(no_args_is_help=True, help="Configuration of the Asterisk on this node.")
_groups = resources.add(app)
_groups["api_key"].command("init")(environment_file.init)
_groups["api_key"].command("renew-passcodes")(renewal.renew)
_groups["api_key"].command("replace-lost")(renewal.replace_lost)
_groups["passcode"].command("rotate-short")(short_passcodes.rotate_short)
app.add_typer(tariffs.tariff, name="tariff")
app.command("minutes")(billing.minutes)
app.command("statement")(billing.statement)
app.command("doctor")(doctor.doctor)
app.command("reconcile")(reconcile.reconcile)
app.add_typer(journal.journal, name="journal")
app.add_typer(asterisk, name="asterisk")


@app.command()
def serve() -> None:
    """Run the daemon of this node, in the foreground. SIGTERM or Ctrl-C stops it.

    Run one daemon beside each Asterisk, on the same machine. While it is
    stopped, new callers hear music, talking callers go on, and minutes wait in
    the journal. Its settings are BRIDGE_* variables: see `bridge settings`.
    """
    daemon.serve(settings.load(settings.DaemonSettings))


@app.command()
def migrate() -> None:
    """Create or update the tables in Postgres, as this version needs them.

    Run this after each installation or update, before the daemon starts. It may
    be run again at any time: if the tables are up to date, nothing changes.
    Needs BRIDGE_DATABASE_URL.
    """
    chosen = settings.load(settings.DatabaseSettings)
    asyncio.run(migration.migrate(chosen.database_url.get_secret_value()))
    typer.echo("the tables in Postgres are up to date")


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """List every setting, with its meaning and default.

    Each is an environment variable. This command needs none of them, and shows
    no values that are set.
    """
    if as_json:
        names = ("name", "default", "description")
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in settings.table()], indent=2))
        return
    for name, default, description in settings.table():
        typer.echo(f"{name}\n    {description}\n    default: {default}")


@asterisk.command("render")
def render(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write to: Asterisk's configuration folder, such as /etc/asterisk.")
    ],
) -> None:
    """Write Asterisk's configuration files from the settings, and print the path of each.

    Run this as Asterisk's user after each change of a setting, and restart
    Asterisk while nobody talks. Replaces files of the same name. Makes the
    folder of the journal, too.
    """
    node = settings.load(settings.NodeSettings)
    try:
        written = files.render(folder, settings.node_values(node, folder))
        written += files.link_modules(folder, node.asterisk_modules, [trunks.INFO])
        written += files.make_folders(node.asterisk_home, node.journal)
        written += trunks.write_first(node.trunks_dir, NodeSip.of(node.sip_trunks, node.sip_bind, node.sip_tls_bind))
    except OSError as error:
        raise BridgeError(
            f"{error.filename} cannot be written ({error.strerror}): run this as Asterisk's user"
        ) from error
    for path in written:
        typer.echo(path)


def _add_sandbox() -> None:
    """Add the commands of the sandbox, unless the packages that only the sandbox needs are missing."""
    try:
        from bridge.sandbox import cli as sandbox  # noqa: PLC0415
    except ModuleNotFoundError:
        return
    app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Run the command line, and exit with a status that programs can act on.

    0 is success. 1 is an error that the product explains in one line on standard error. 2 is a mistake in the command
    line. 3 means that the daemon or Postgres is away: the same command may succeed later.
    """
    _add_sandbox()
    try:
        app()
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except BridgeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
