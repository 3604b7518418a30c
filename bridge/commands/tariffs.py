"""`bridge tariff`."""

from typing import Annotated, Any

import typer

from bridge.commands import ids, rest, terminal
from bridge.commands.rest import RestClient
from bridge.commands.terminal import Json, Owner

tariff = typer.Typer(no_args_is_help=True, help="Prices of an account, each in force from a date on.")

COLUMNS = (
    *("id", "effective_from", "per_minute", "connect_fee", "first_increment_s", "next_increment_s", "decimals"),
    "bill_estimated",
)


@tariff.command("add")
def add(
    owner: Owner,
    per_minute: Annotated[str, typer.Option(help="Price of a minute, in the account's currency.")],
    effective_from: Annotated[
        str, typer.Option(help="In force from: 2026-11-01T00:00:00Z, or 2026-11-01 in the account's time zone.")
    ],
    connect_fee: Annotated[str, typer.Option(help="Fee for each stay.")] = "0",
    first_increment: Annotated[int, typer.Option(help="Seconds billed at least for each stay.")] = 60,
    next_increment: Annotated[int, typer.Option(help="Seconds of each billing step after that.")] = 60,
    decimals: Annotated[int | None, typer.Option(help="Decimals of a charge. Default: the currency's.")] = None,
    bill_estimated: Annotated[
        bool,
        typer.Option(
            "--bill-estimated", help="If the end of a stay is estimated, bill it up to the latest possible end."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Set the prices of an account from a date on. Stays that had no price yet are charged at once."""

    async def work(client: RestClient) -> Any:
        account = await ids.account(client, owner)
        start = terminal.instant(effective_from, "effective_from", account["time_zone"])
        body = {
            "account_id": account["id"],
            "effective_from": start.isoformat(),
            "per_minute": per_minute,
            "connect_fee": connect_fee,
            "first_increment_s": first_increment,
            "next_increment_s": next_increment,
            "decimals": decimals,
            "bill_estimated": bill_estimated,
        }
        return await client.request("POST", "/v1/tariffs", body=body)

    made = rest.run(work)
    if as_json:
        terminal.print_json(made)
    else:
        terminal.table([made], COLUMNS)


@tariff.command("list")
def list_versions(owner: Owner, as_json: Json = False) -> None:
    """List the tariff versions of an account, in the order in which they come into force."""

    async def find(client: RestClient) -> list[Any]:
        return await client.list_all("/v1/tariffs", {"account_id": await ids.account_id(client, owner)})

    found = rest.run(find)
    if as_json:
        terminal.print_json(found)
    else:
        terminal.table(found, COLUMNS)
