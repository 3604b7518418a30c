"""`bridge minutes` and `bridge statement`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from bridge.commands import console
from bridge.commands.console import Json, Product
from bridge.documents import text
from bridge.domain import period as periods
from bridge.domain.minutes import Stay
from bridge.domain.statement import Statement
from bridge.usecases.issue_statement import issue_statement
from bridge.usecases.ports import StayFilter

Owner = Annotated[str, typer.Option("--account", help="Id or name of the account.")]
Month = Annotated[str | None, typer.Option("--period", help="YYYY-MM; this month if left out.")]
MINUTE = ("user_id", "caller", "role", "joined_at", "left_at", "billed_seconds", "amount", "left_reason", "evidence")


def minutes(owner: Owner, period: Month = None, as_json: Json = False) -> None:
    """List the stays of an account that began in a month, open and closed."""

    async def find(product: Product) -> list[Stay]:
        account = await console.account(product, owner)
        span = periods.month(period or periods.month_of(datetime.now(UTC), account.time_zone), account.time_zone)
        wanted = StayFilter(account_id=account.id, joined_from=span.start, joined_until=span.end)
        found: list[Stay] = []
        after: tuple[datetime, UUID] | None = None
        while True:
            page = await product.minutes.stays(wanted, console.PAGE, after)
            found += page
            if len(page) < console.PAGE:
                return found
            after = (page[-1].joined_at, page[-1].id)

    console.show(console.run(find), MINUTE, as_json)


def statement(owner: Owner, period: Month = None, as_json: Json = False) -> None:
    """Print the bill of an account for a month, broken down by user ID."""

    async def make(product: Product) -> Statement:
        account = await console.account(product, owner)
        month = period or periods.month_of(datetime.now(UTC), account.time_zone)
        return await issue_statement(product.tenants, product.minutes, account.id, month)

    bill = console.run(make)
    if as_json:
        console.show([bill], (), True)
    else:
        typer.echo(text.statement(bill), nl=False)
