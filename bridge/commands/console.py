"""What every command shares: its connection to the product, and how it prints."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from bridge import settings
from bridge.domain.errors import Conflict, Invalid, NotFound
from bridge.domain.tenancy import Account
from bridge.storage import keys, migration
from bridge.storage.database import Database
from bridge.storage.minutes import PostgresMinutes
from bridge.storage.tenants import PostgresTenants
from bridge.usecases.provision import Keys

Done = TypeVar("Done")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PAGE = 500


@dataclass(frozen=True, slots=True)
class Product:
    """The product as a command sees it."""

    tenants: PostgresTenants
    minutes: PostgresMinutes
    keys: Keys


def run(work: Callable[[Product], Awaitable[Done]]) -> Done:
    """Carry out `work` against the Postgres of the settings. Raises BridgeError."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[Product], Awaitable[Done]]) -> Done:
    chosen = settings.load(settings.Settings)
    async with Database(chosen.database_url.get_secret_value(), "bridge command", pool=1) as database:
        await migration.check_current(database)
        product = Product(
            PostgresTenants(database), PostgresMinutes(database), keys.derive(chosen.passcode_key.get_secret_value())
        )
        return await work(product)


async def account(product: Product, id_or_name: str) -> Account:
    """The account of that id, or the only one of that name. Raises NotFound, Conflict."""
    try:
        return await product.tenants.account(UUID(id_or_name))
    except ValueError:
        pass
    accounts: list[Account] = await everything(product.tenants.accounts)
    found = [one for one in accounts if one.name == id_or_name]
    if len(found) > 1:
        raise Conflict(f"{len(found)} accounts are named {id_or_name!r}: give the id of one, see `bridge account list`")
    if not found:
        raise NotFound(f"there is no account named {id_or_name!r}: see `bridge account list`")
    return found[0]


async def everything(page: Callable[[int, UUID | None], Awaitable[list[Any]]]) -> list[Any]:
    """All items of a list that comes in pages."""
    items: list[Any] = []
    while True:
        found = await page(PAGE, items[-1].id if items else None)
        items += found
        if len(found) < PAGE:
            return items


def identifier(text: str, what: str) -> UUID:
    """An id as it was typed. Raises Invalid."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(what, f"{text!r} is no id, such as 3f2c7c1e-0a3b-4c5d-8e9f-0123456789ab") from None


def show(rows: Sequence[Any], columns: Sequence[str], as_json: bool) -> None:
    """Print values: as one JSON list, or as a table of some of their fields."""
    plain = [_plain(row) for row in rows]
    if as_json:
        typer.echo(json.dumps(plain, indent=2))
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in plain]
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in [heads, *cells]:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    """Values as JSON has them: times RFC 3339 in UTC, amounts and ids as strings."""
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case Decimal():
            return f"{value:f}"
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value))
        case _:
            return value
