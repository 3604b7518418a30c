"""`bridge key init`: fresh secrets for a new installation, as lines of an environment file."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from bridge.commands import terminal
from bridge.commands.terminal import Json
from bridge.domain.errors import BridgeError, Conflict
from bridge.host import private_files

File = Annotated[
    Path | None, typer.Option("--file", help="New file for the lines, with mode 0600. Default: standard output.")
]
ADVICE = """\
# Secrets of an installation of Bridge. Keep a copy in a safe place off this machine.
# BRIDGE_PASSCODE_KEY: without it every passcode must be issued anew. An installation that has passcodes keeps its own.
"""


def init(file: File = None, as_json: Json = False) -> None:
    """Make the secrets of a new installation: an operator's key, a passcode key, and passwords for ARI and AMI.

    Prints them as lines of an environment file, or writes them to a new file
    that only its owner may read. An existing file is never overwritten. To
    replace a weak BRIDGE_OPERATOR_KEY, take that line alone. Needs no settings.
    """
    fresh = {
        "BRIDGE_OPERATOR_KEY": secrets.token_urlsafe(32),
        "BRIDGE_PASSCODE_KEY": secrets.token_hex(32),
        "BRIDGE_ARI_PASSWORD": secrets.token_hex(24),
        "BRIDGE_AMI_PASSWORD": secrets.token_hex(24),
    }
    if file is not None:
        _write(file, fresh)
        if as_json:
            terminal.print_json({"file": str(file), "settings": list(fresh)})
        else:
            typer.echo(f"{file} holds {', '.join(fresh)}: keep a copy off this machine")
    elif as_json:
        terminal.print_json(fresh)
    else:
        typer.echo(_lines(fresh), nl=False)


def _write(file: Path, fresh: dict[str, str]) -> None:
    try:
        private_files.create(file, _lines(fresh))
    except FileExistsError as error:
        raise Conflict(
            f"{file} is there already, and is not overwritten: it may hold the only copy of BRIDGE_PASSCODE_KEY. "
            "Name a new file"
        ) from error
    except OSError as error:
        raise BridgeError(f"{file} cannot be written ({error.strerror}): name a file in a folder of yours") from error


def _lines(fresh: dict[str, str]) -> str:
    return ADVICE + "".join(f"{name}={value}\n" for name, value in fresh.items())
