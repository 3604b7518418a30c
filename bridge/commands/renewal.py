"""`bridge key renew-passcodes`: the end of an earlier BRIDGE_PASSCODE_KEY."""

import typer

from bridge.commands import terminal
from bridge.commands.terminal import Product
from bridge.usecases.provisioning.renew_passcodes import renew_passcodes as renew
from bridge.usecases.webhooks.keep_webhooks import renew_secrets


def renew_passcodes() -> None:
    """Keep passcodes and secrets of webhooks under the present BRIDGE_PASSCODE_KEY: BRIDGE_PASSCODE_KEYS_OLD can go.

    Callers notice nothing. It may be stopped and run again.
    """

    async def work(product: Product) -> int:
        await renew_secrets(product.webhooks, product.keys)
        return await renew(product.tenants, product.keys, lambda done: typer.echo(f"{done} renewed ...", err=True))

    done = terminal.run(work)
    typer.echo(f"{done} passcodes renewed; all are kept under the present key: BRIDGE_PASSCODE_KEYS_OLD can go")
