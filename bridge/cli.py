"""The command `bridge`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge import settings
from bridge.asterisk import config
from bridge.domain.errors import BridgeError

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
asterisk_commands = typer.Typer(no_args_is_help=True, help="The Asterisk beside this daemon.")
app.add_typer(asterisk_commands, name="asterisk")


@asterisk_commands.command("render")
def render(folder: Annotated[Path, typer.Argument(help="Asterisk's configuration folder.")]) -> None:
    """Write Asterisk's configuration, from asterisk-conf/, dialplan/ and the settings."""
    node = settings.load(settings.NodeSettings)
    for path in config.render(folder, _node_values(node, folder)):
        typer.echo(path)


def _node_values(node: settings.NodeSettings, folder: Path) -> dict[str, object]:
    ari_host, ari_port = node.ari_url.removeprefix("http://").rsplit(":", 1)
    ami_host, ami_port = node.ami_address.rsplit(":", 1)
    sip_host, sip_port = node.sip_bind.rsplit(":", 1)
    rtp_first, rtp_last = node.rtp_ports.split("-")
    return {
        **node.model_dump(),
        "ari_password": node.ari_password.get_secret_value(),
        "ami_password": node.ami_password.get_secret_value(),
        "etc": folder.resolve(),
        "home": node.asterisk_home,
        "modules": node.asterisk_modules,
        "data": node.asterisk_data,
        "ari_host": ari_host,
        "ari_port": ari_port,
        "ami_host": ami_host,
        "ami_port": ami_port,
        "sip_host": sip_host,
        "sip_port": sip_port,
        "sip_trunks": [trunk.strip() for trunk in node.sip_trunks.split(",") if trunk.strip()],
        "rtp_first": rtp_first,
        "rtp_last": rtp_last,
    }


def main() -> None:
    """Run the command line; what the product refuses becomes one clear line and exit status 1."""
    try:
        app()
    except BridgeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
