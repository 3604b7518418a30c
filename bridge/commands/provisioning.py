"""`bridge account`, `sub-account`, `passcode`, `access-number` and `tariff`."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from bridge.commands import console
from bridge.commands.console import Json, Product
from bridge.domain.errors import Invalid
from bridge.domain.passcode import Role
from bridge.domain.tenancy import Kind, NumberKind
from bridge.usecases import provision

account = typer.Typer(no_args_is_help=True, help="Who pays.")
sub_account = typer.Typer(no_args_is_help=True, help="Who uses: an employee, department, project or client.")
passcode = typer.Typer(no_args_is_help=True, help="Digits that open a room in a role.")
access_number = typer.Typer(no_args_is_help=True, help="Numbers that callers dial.")
tariff = typer.Typer(no_args_is_help=True, help="Prices, from an instant on.")

Owner = Annotated[str, typer.Option("--account", help="Id or name of the account.")]
Room = Annotated[str, typer.Option("--room", help="Id of the room.")]
ACCOUNT = ("id", "name", "currency", "time_zone", "state")
PASSCODE = ("id", "role", "state", "digits")
TARIFF = ("id", "effective_from", "per_minute", "connect_fee", "first_increment_s", "next_increment_s", "decimals")


@account.command("create")
def create_account(
    name: str,
    currency: Annotated[str, typer.Option(help="ISO 4217, such as USD.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as America/New_York.")],
    as_json: Json = False,
) -> None:
    """Create an account."""
    made = console.run(lambda product: provision.create_account(product.tenants, name, currency, time_zone))
    console.show([made], ACCOUNT, as_json)


@account.command("list")
def list_accounts(as_json: Json = False) -> None:
    """List accounts."""
    console.show(console.run(lambda product: console.everything(product.tenants.accounts)), ACCOUNT, as_json)


@sub_account.command("create")
def create_sub_account(
    user_id: str, name: str, owner: Owner, kind: Kind = Kind.EMPLOYEE, as_json: Json = False
) -> None:
    """Create a sub-account with a room, a host and a guest passcode."""

    async def create(product: Product) -> object:
        found = await console.account(product, owner)
        return await provision.create_sub_account(product.tenants, product.keys, found.id, user_id, name, kind)

    made = console.run(create)
    if as_json:
        console.show([made], (), True)
        return
    console.show([made], ("id", "user_id", "name", "kind", "state"), False)
    for room in made.rooms:  # type: ignore[attr-defined]
        typer.echo(f"\nroom {room.id}")
        console.show(room.passcodes, PASSCODE, False)


@sub_account.command("list")
def list_sub_accounts(owner: Owner, as_json: Json = False) -> None:
    """List the sub-accounts of an account."""

    async def find(product: Product) -> list[object]:
        found = await console.account(product, owner)
        return await console.everything(lambda limit, after: product.tenants.sub_accounts(found.id, limit, after))

    console.show(console.run(find), ("id", "user_id", "name", "kind", "state"), as_json)


@passcode.command("create")
def create_passcode(
    room: Room,
    role: Role,
    digits: Annotated[str | None, typer.Option(help="A code of your choice; generated if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Add a passcode to a room."""
    room_id = console.identifier(room, "room")
    made = console.run(lambda product: provision.add_passcode(product.tenants, product.keys, room_id, role, digits))
    console.show([made], PASSCODE, as_json)


@passcode.command("list")
def list_passcodes(room: Room, as_json: Json = False) -> None:
    """List the passcodes of a room, without digits."""
    room_id = console.identifier(room, "room")
    found = console.run(
        lambda product: console.everything(lambda limit, after: product.tenants.passcodes(room_id, limit, after))
    )
    console.show(found, ("id", "role", "state", "created_at"), as_json)


@passcode.command("revoke")
def revoke_passcode(passcode_id: str) -> None:
    """Revoke a passcode, at once and for good."""
    wanted = console.identifier(passcode_id, "passcode_id")
    console.run(lambda product: product.tenants.revoke_passcode(wanted))
    typer.echo(f"revoked {wanted}")


@passcode.command("reveal")
def reveal_passcode(passcode_id: str) -> None:
    """Print the digits of a passcode."""
    wanted = console.identifier(passcode_id, "passcode_id")
    typer.echo(console.run(lambda product: provision.reveal(product.tenants, product.keys, wanted)))


@access_number.command("add")
def add_access_number(number: str, kind: NumberKind = NumberKind.LOCAL, as_json: Json = False) -> None:
    """Add a number that callers dial."""
    made = console.run(lambda product: provision.add_access_number(product.tenants, number, kind))
    console.show([made], ("id", "number", "kind"), as_json)


@access_number.command("list")
def list_access_numbers(as_json: Json = False) -> None:
    """List access numbers."""
    found = console.run(lambda product: console.everything(product.tenants.access_numbers))
    console.show(found, ("id", "number", "kind"), as_json)


@tariff.command("add")
def add_tariff(
    owner: Owner,
    per_minute: Annotated[str, typer.Option(help="Price of a minute, in the account's currency.")],
    effective_from: Annotated[str, typer.Option(help="From when on, such as 2026-11-01T00:00:00Z.")],
    connect_fee: Annotated[str, typer.Option(help="Once a stay.")] = "0",
    first_increment: Annotated[int, typer.Option(help="Seconds billed at the least.")] = 60,
    next_increment: Annotated[int, typer.Option(help="Seconds of each further step.")] = 60,
    decimals: Annotated[int | None, typer.Option(help="Decimals of a charge; the currency's if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Set the prices of an account from an instant on. Stays that waited for a price are charged at once."""

    async def add(product: Product) -> object:
        found = await console.account(product, owner)
        return await provision.add_tariff(
            product.tenants,
            found.id,
            _time(effective_from),
            _price("per_minute", per_minute),
            _price("connect_fee", connect_fee),
            first_increment,
            next_increment,
            decimals,
        )

    console.show([console.run(add)], TARIFF, as_json)


@tariff.command("list")
def list_tariffs(owner: Owner, as_json: Json = False) -> None:
    """List the tariff versions of an account."""

    async def find(product: Product) -> list[object]:
        found = await console.account(product, owner)
        return list(await product.tenants.tariff_versions(found.id))

    console.show(console.run(find), TARIFF, as_json)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("effective_from", f"{text!r} is no time, such as 2026-11-01T00:00:00Z") from None


def _price(field: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid(field, f"{text!r} is no amount, such as 0.049") from None
