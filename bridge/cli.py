"""The command `bridge`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge import settings
from bridge.asterisk import config
from bridge.commands import billing, doctor, journal, reconcile, renewal, resources, tariffs
from bridge.commands.terminal import Json
from bridge.daemon import app as daemon
from bridge.domain.errors import BridgeError, Unavailable
from bridge.storage.postgres import migration

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="A conference bridge on Asterisk.")
asterisk = typer.Typer(no_args_is_help=True, help="The Asterisk beside this daemon.")
resources.add(app)["api_key"].command("renew-passcodes")(renewal.renew)
app.add_typer(tariffs.tariff, name="tariff")
app.command("minutes")(billing.minutes)
app.command("statement")(billing.statement)
app.command("doctor")(doctor.doctor)
app.command("reconcile")(reconcile.reconcile)
app.add_typer(journal.journal, name="journal")
app.add_typer(asterisk, name="asterisk")


@app.command()
def serve() -> None:
    """Run the daemon beside its Asterisk, until SIGTERM."""
    daemon.serve(settings.load(settings.DaemonSettings))


@app.command()
def migrate() -> None:
    """Bring the schema of Postgres up to date."""
    chosen = settings.load(settings.DatabaseSettings)
    asyncio.run(migration.migrate(chosen.database_url.get_secret_value()))
    typer.echo("the schema is up to date")


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """List every setting, with its default and meaning."""
    if as_json:
        names = ("name", "default", "description")
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in settings.table()], indent=2))
        return
    for name, default, description in settings.table():
        typer.echo(f"{name}\n    {description}\n    default: {default}")


@asterisk.command("render")
def render(folder: Annotated[Path, typer.Argument(help="Asterisk's configuration folder.")]) -> None:
    """Write Asterisk's configuration, from asterisk-conf/, dialplan/ and the settings."""
    node = settings.load(settings.NodeSettings)
    try:
        written = config.render(folder, settings.node_values(node, folder))
        written += config.make_folders(node.asterisk_home, node.journal)
    except OSError as error:
        raise BridgeError(
            f"{error.filename} cannot be written ({error.strerror}): run this as Asterisk's user"
        ) from error
    for path in written:
        typer.echo(path)


def _add_sandbox() -> None:
    """The sandbox needs more packages than the product; without them its commands are not there."""
    try:
        from bridge.sandbox import cli as sandbox  # noqa: PLC0415
    except ModuleNotFoundError:
        return
    app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Run the command line. What the product refuses becomes a clear line and exit status 1; what cannot be done now,
    since the daemon or Postgres is away, status 3. Mistakes in typing end with 2."""
    _add_sandbox()
    try:
        app()
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except BridgeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
