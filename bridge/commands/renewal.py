"""`bridge key renew-passcodes`: the last step of replacing BRIDGE_PASSCODE_KEY."""

import typer

from bridge.commands import postgres
from bridge.commands.postgres import Repositories
from bridge.usecases.provisioning.renew_passcodes import renew_passcodes
from bridge.usecases.webhooks.keep_webhooks import renew_secrets


def renew() -> None:
    """Encrypt all passcodes and webhook secrets again, under the present BRIDGE_PASSCODE_KEY.

    When it is done, BRIDGE_PASSCODE_KEYS_OLD can be removed. Callers notice
    nothing. The command may be stopped and run again. It needs Postgres, and no
    daemon.
    """

    async def work(repositories: Repositories) -> int:
        await renew_secrets(repositories.webhooks, repositories.keys)
        return await renew_passcodes(
            repositories.tenants, repositories.keys, lambda done: typer.echo(f"{done} renewed ...", err=True)
        )

    done = postgres.run(work)
    typer.echo(f"{done} passcodes renewed. All use the present key: BRIDGE_PASSCODE_KEYS_OLD can be removed")
