"""`bridge minutes` and `bridge statement`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from bridge.api.resources.minutes import MinuteRecordSchema
from bridge.api.resources.statements import StatementSchema
from bridge.commands import terminal
from bridge.commands.terminal import Json, Owner, Product
from bridge.documents import text
from bridge.domain import period as periods
from bridge.domain.billing.statement import Statement
from bridge.domain.errors import Invalid, NotFound
from bridge.domain.metering.records import Stay
from bridge.domain.provisioning.tenants import Account
from bridge.usecases.billing.issue_statement import issue_statement
from bridge.usecases.metering.ports import StayFilter

Month = Annotated[str | None, typer.Option("--period", help="YYYY-MM; this month if left out.")]
Id = Annotated[str | None, typer.Option(help="An id.")]
When = "2026-11-23T14:00:00Z, or 2026-11-23 in the account's time zone."
COLUMNS = ("user_id", "caller", "role", "joined", "duration", "billed_s", "amount", "left_reason", "evidence")


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


def minutes(
    owner: Owner,
    period: Month = None,
    since: Annotated[str | None, typer.Option("--from", help=f"Joined at or after: {When}")] = None,
    until: Annotated[str | None, typer.Option("--to", help=f"Joined before: {When}")] = None,
    sub_account: Annotated[str | None, typer.Option(help="Id or user ID of a sub-account.")] = None,
    room: Id = None,
    conference: Id = None,
    caller: Annotated[str | None, typer.Option(help="A caller's number.")] = None,
    state: State | None = None,
    as_json: Json = False,
) -> None:
    """List stays, open and closed, in order of joining: of one month, unless --from or --to say otherwise."""

    async def find(product: Product) -> tuple[Account, list[Stay]]:
        account = await terminal.account(product, owner)
        start, end = _span(account, period, since, until)
        wanted = StayFilter(
            account.id,
            await owned(product, account.id, sub_account) if sub_account else None,
            terminal.identifier(room, "room") if room else None,
            terminal.identifier(conference, "conference") if conference else None,
            caller,
            start,
            end,
            state == State.OPEN if state else None,
        )
        return account, await _stays(product, wanted)

    account, stays = terminal.run(find)
    found = [MinuteRecordSchema.of(stay) for stay in stays]
    if as_json:
        terminal.show_all(found, (), True)
    else:
        zone = ZoneInfo(account.time_zone)
        terminal.table([_row(stay, answer, zone) for stay, answer in zip(stays, found, strict=True)], COLUMNS)
        typer.echo(f"\n{len(found)} stays; times in {account.time_zone}, amounts in {account.currency}")


def statement(owner: Owner, period: Month = None, as_json: Json = False) -> None:
    """Print the bill of an account for a month, broken down by user ID."""

    async def make(product: Product) -> Statement:
        account = await terminal.account(product, owner)
        return await issue_statement(product.tenants, product.billed_stays, account.id, period or _this_month(account))

    bill = terminal.run(make)
    if as_json:
        terminal.show(StatementSchema.of(bill), (), True)
    else:
        typer.echo(text.statement(bill), nl=False)


def _this_month(account: Account) -> str:
    return periods.month_of(datetime.now(UTC), account.time_zone)


def _span(
    account: Account, period: str | None, since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    if since is None and until is None:
        month = periods.month(period or _this_month(account), account.time_zone)
        return month.start, month.end
    if period is not None:
        raise Invalid("period", "give either --period, or --from and --to")
    zone = account.time_zone
    start = terminal.instant(since, "from", zone) if since else None
    return start, terminal.instant(until, "to", zone) if until else None


async def owned(product: Product, account_id: UUID, id_or_user_id: str) -> UUID:
    """The account's sub-account of that id or user ID. Raises NotFound."""
    items = await terminal.everything(lambda limit, after: product.tenants.sub_accounts(account_id, limit, after))
    for one in items:
        if id_or_user_id in (str(one.id), one.user_id):
            found: UUID = one.id
            return found
    raise NotFound(f"this account has no sub-account {id_or_user_id!r}: see `bridge sub-account list`")


async def _stays(product: Product, wanted: StayFilter) -> list[Stay]:
    found: list[Stay] = []
    while True:
        after = (found[-1].joined_at, found[-1].id) if found else None
        page: Sequence[Stay] = await product.minutes.stays(wanted, terminal.PAGE, after)
        found += page
        if len(page) < terminal.PAGE:
            return found


def _row(stay: Stay, answer: MinuteRecordSchema, zone: ZoneInfo) -> dict[str, object]:
    return {
        **answer.model_dump(mode="json"),
        "joined": f"{stay.joined_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        "duration": None if stay.duration_us is None else text.duration(stay.duration_us),
        "billed_s": stay.billed_seconds,
        "left_reason": stay.left_reason or ("in the room" if stay.left_at is None else None),
    }
