"""`bridge key renew-passcodes`, the last step of replacing BRIDGE_PASSCODE_KEY, and `bridge key replace-lost`."""

import sys
from typing import Annotated

import typer

from bridge.commands import postgres
from bridge.commands.postgres import Repositories
from bridge.storage.directory import key_check
from bridge.usecases.provisioning.renew_passcodes import renew_passcodes
from bridge.usecases.webhooks.keep_webhooks import renew_secrets


def renew() -> None:
    """Encrypt all passcodes and webhook secrets again, under the present BRIDGE_PASSCODE_KEY.

    When it is done, BRIDGE_PASSCODE_KEYS_OLD can be removed. Callers notice
    nothing. The command may be stopped and run again. It needs Postgres, and no
    daemon.
    """

    async def work(repositories: Repositories) -> int:
        keys = await repositories.keys()
        await renew_secrets(repositories.webhooks, keys)
        return await renew_passcodes(
            repositories.tenants, keys, lambda done: typer.echo(f"{done} renewed ...", err=True)
        )

    done = postgres.run(work)
    typer.echo(f"{done} passcodes renewed. All use the present key: BRIDGE_PASSCODE_KEYS_OLD can be removed")


def replace_lost(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Accept the present BRIDGE_PASSCODE_KEY, although the former one is lost for good.

    The daemon starts with it again. No passcode made before opens a room any
    more: revoke each and issue a new one. Passwords of trunks and secrets of
    webhooks must be set anew as well. If there is any copy of the former key,
    set it as BRIDGE_PASSCODE_KEYS_OLD instead: then nothing is lost. The
    command needs Postgres, and no daemon.
    """
    if not yes and sys.stdin.isatty():
        typer.confirm("Give up all passcodes, and accept the present BRIDGE_PASSCODE_KEY?", abort=True)

    async def work(repositories: Repositories) -> None:
        await key_check.replace(repositories.database, postgres.configured_keys())

    postgres.run(work)
    typer.echo("BRIDGE_PASSCODE_KEY is accepted. Start the daemon, and issue new passcodes")
