"""`bridge tariff`."""

from typing import Annotated

import typer

from bridge.api.resources.tariffs import TariffSchema
from bridge.commands import terminal
from bridge.commands.terminal import Json, Owner, Product
from bridge.domain.billing.rating import TariffVersion
from bridge.usecases.billing.add_tariff import add_tariff

tariff = typer.Typer(no_args_is_help=True, help="Prices, from an instant on.")

COLUMNS = (
    *("id", "effective_from", "per_minute", "connect_fee", "first_increment_s", "next_increment_s", "decimals"),
    "bill_estimated",
)


@tariff.command("add")
def add(
    owner: Owner,
    per_minute: Annotated[str, typer.Option(help="Price of a minute, in the account's currency.")],
    effective_from: Annotated[
        str, typer.Option(help="From when on: 2026-11-01T00:00:00Z, or 2026-11-01 in the account's time zone.")
    ],
    connect_fee: Annotated[str, typer.Option(help="Once a stay.")] = "0",
    first_increment: Annotated[int, typer.Option(help="Seconds billed at the least.")] = 60,
    next_increment: Annotated[int, typer.Option(help="Seconds of each further step.")] = 60,
    decimals: Annotated[int | None, typer.Option(help="Decimals of a charge; the currency's if left out.")] = None,
    bill_estimated: Annotated[
        bool, typer.Option("--bill-estimated", help="Bill the error bound of an estimated stay, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set the prices of an account from an instant on. Stays that waited for a price are charged at once."""

    async def work(product: Product) -> TariffVersion:
        account = await terminal.account(product, owner)
        return await add_tariff(
            product.tenants,
            product.tariffs,
            account.id,
            terminal.instant(effective_from, "effective_from", account.time_zone),
            terminal.price(per_minute, "per_minute"),
            terminal.price(connect_fee, "connect_fee"),
            first_increment,
            next_increment,
            decimals,
            bill_estimated=bill_estimated,
        )

    terminal.show(TariffSchema.of(terminal.run(work)), COLUMNS, as_json)


@tariff.command("list")
def list_versions(owner: Owner, as_json: Json = False) -> None:
    """List the tariff versions of an account."""

    async def find(product: Product) -> list[TariffVersion]:
        return await product.tariffs.tariff_versions((await terminal.account(product, owner)).id)

    terminal.show_all([TariffSchema.of(version) for version in terminal.run(find)], COLUMNS, as_json)
