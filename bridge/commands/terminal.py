"""What every command shares: its connection to the product, and how it prints."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel

from bridge import settings
from bridge.documents import columns
from bridge.domain.errors import Conflict, Invalid, NotFound
from bridge.domain.period import SECOND_US
from bridge.domain.provisioning.tenants import Account
from bridge.storage import keys
from bridge.storage.billing.billed_stays import PostgresBilledStays
from bridge.storage.billing.own_calls import PostgresOwnCalls
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.audit import PostgresLedgerAudit
from bridge.storage.metering.incidents import PostgresIncidents
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.metering.unassigned import PostgresUnassignedRecords
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning.ports import Keys, Place

Done = TypeVar("Done")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Owner = Annotated[str, typer.Option("--account", help="Id or name of the account.")]
PAGE: Final = 500
_UNITS_US: Final = {"ms": 1_000, "": SECOND_US, "s": SECOND_US, "m": 60 * SECOND_US, "h": 3600 * SECOND_US}
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(ms|s|m|h|)")
_NUMBER: Final = re.compile(r"-?[0-9][0-9:.]*")


@dataclass(frozen=True, slots=True)
class Product:
    """The product as a command sees it."""

    tenants: PostgresTenants
    tariffs: PostgresTariffs
    billed_stays: PostgresBilledStays
    minutes: PostgresMinutes
    calls: PostgresOwnCalls
    books: PostgresLedgerAudit
    owners: PostgresUnassignedRecords
    incidents: PostgresIncidents
    webhooks: PostgresWebhooks

    @property
    def keys(self) -> Keys:
        """The keys of passcodes; a command that makes or shows none needs no BRIDGE_PASSCODE_KEY."""
        return keys.derive(*settings.load(settings.Settings).passcode_secrets)


def run(work: Callable[[Product], Awaitable[Done]]) -> Done:
    """Carry out `work` against the Postgres of the settings. Raises BridgeError."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[Product], Awaitable[Done]]) -> Done:
    chosen = settings.load(settings.DatabaseSettings)
    async with Database(chosen.database_url.get_secret_value(), "bridge command", pool=1) as database:
        await migration.check_current(database)
        return await work(
            Product(
                PostgresTenants(database),
                PostgresTariffs(database),
                PostgresBilledStays(database),
                PostgresMinutes(database),
                PostgresOwnCalls(database),
                PostgresLedgerAudit(database),
                PostgresUnassignedRecords(database),
                PostgresIncidents(database),
                PostgresWebhooks(database),
            )
        )


# --- What was typed -----------------------------------------------------------------------------------------------
async def account(product: Product, id_or_name: str) -> Account:
    """The account of that id, or the only one of that name. Raises NotFound, Conflict."""
    try:
        account_id = UUID(id_or_name)
    except ValueError:
        return await _account_named(product, id_or_name)
    return await product.tenants.account(account_id)


async def _account_named(product: Product, name: str) -> Account:
    accounts: list[Account] = await everything(product.tenants.accounts)
    found = [one for one in accounts if one.name == name]
    if len(found) > 1:
        raise Conflict(f"{len(found)} accounts are named {name!r}: give the id of one, see `bridge account list`")
    if not found:
        raise NotFound(f"there is no account named {name!r}: see `bridge account list`")
    return found[0]


def identifier(text: str, what: str) -> UUID:
    """An id as it was typed. Raises Invalid."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(what, f"{text!r} is no id, such as 3f2c7c1e-0a3b-4c5d-8e9f-0123456789ab") from None


def instant(text: str, what: str, time_zone: str) -> datetime:
    """A time as it was typed; one without a zone is in `time_zone`. Raises Invalid."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(what, f"{text!r} is no time, such as 2026-11-01 or 2026-11-01T00:00:00Z") from None
    if not 1970 < at.year < 9998:
        raise Invalid(what, f"{text!r} is out of reach")
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(time_zone))


def price(text: str, what: str) -> Decimal:
    """An amount as it was typed. Raises Invalid."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid(what, f"{text!r} is no amount, such as 0.049") from None


def span_us(text: str, what: str) -> int:
    """A span of time as it was typed, such as 500ms, 1.5s or 2m, as µs; a bare number is seconds. Raises Invalid."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise Invalid(what, f"{text!r} is no span of time, such as 500ms, 1.5s or 2m")
    return int(Decimal(match[1]) * _UNITS_US[match[2]])


# --- What is printed ----------------------------------------------------------------------------------------------
async def everything(page: Callable[[int, Place | None], Awaitable[list[Any]]]) -> list[Any]:
    """All items of a list that comes in pages."""
    items: list[Any] = []
    while True:
        found = await page(PAGE, (items[-1].created_at, items[-1].id) if items else None)
        items += found
        if len(found) < PAGE:
            return items


def show(one: BaseModel, names: Sequence[str], as_json: bool) -> None:
    """Print one thing: as REST gives it, or some of its fields."""
    if as_json:
        typer.echo(one.model_dump_json(indent=2))
    else:
        table([one.model_dump(mode="json")], names)


def show_all(items: Sequence[BaseModel], names: Sequence[str], as_json: bool) -> None:
    """Print a list: as a JSON list of what REST gives, or as a table of some of their fields."""
    rows = [item.model_dump(mode="json") for item in items]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        table(rows, names)


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print columns under their names, figures to the right."""
    drawn = [[_cell(row[column]) for row in rows] for column in names]
    aligned = [_aligned(column.replace("_", " "), cells) for column, cells in zip(names, drawn, strict=True)]
    for line in zip(*aligned, strict=True):
        typer.echo("  ".join(line).rstrip())


def _aligned(head: str, cells: Sequence[str]) -> list[str]:
    width = max(map(columns.width, [head, *cells]))
    figures = any(cells) and all(_NUMBER.fullmatch(cell) or cell == "-" for cell in cells)
    return [text.rjust(width) if figures else columns.fitted(text, width) for text in [head, *cells]]


def _cell(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
