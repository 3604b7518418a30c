"""`bridge account`, `sub-account`, `passcode` and `access-number`."""

import json
from typing import Annotated

import typer

from bridge.api.access_numbers import AccessNumberAnswer
from bridge.api.accounts import AccountAnswer
from bridge.api.passcodes import PasscodeAnswer
from bridge.api.sub_accounts import SubAccountAnswer
from bridge.commands import console
from bridge.commands.console import Json, Owner, Product
from bridge.domain.passcode import Role
from bridge.domain.tenancy import Kind, NumberKind, SubAccount
from bridge.usecases import provision

account = typer.Typer(no_args_is_help=True, help="Who pays.")
sub_account = typer.Typer(no_args_is_help=True, help="Who uses: an employee, department, project or client.")
passcode = typer.Typer(no_args_is_help=True, help="Digits that open a room in a role.")
access_number = typer.Typer(no_args_is_help=True, help="Numbers that callers dial.")

Room = Annotated[str, typer.Option("--room", help="Id of the room.")]
ACCOUNT = ("id", "name", "currency", "time_zone", "state")
SUB_ACCOUNT = ("id", "user_id", "name", "kind", "state", "room")
PASSCODE = ("id", "role", "state", "digits")
NUMBER = ("id", "number", "kind")


@account.command("create")
def create_account(
    name: str,
    currency: Annotated[str, typer.Option(help="ISO 4217, such as USD.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as America/New_York.")],
    as_json: Json = False,
) -> None:
    """Create an account."""
    made = console.run(lambda product: provision.create_account(product.tenants, name, currency, time_zone))
    console.show(AccountAnswer.of(made), ACCOUNT, as_json)


@account.command("list")
def list_accounts(as_json: Json = False) -> None:
    """List accounts."""
    found = console.run(lambda product: console.everything(product.tenants.accounts))
    console.show_all([AccountAnswer.of(one) for one in found], ACCOUNT, as_json)


@sub_account.command("create")
def create_sub_account(
    user_id: str, name: str, owner: Owner, kind: Kind = Kind.EMPLOYEE, as_json: Json = False
) -> None:
    """Create a sub-account with a room, a host and a guest passcode."""

    async def create(product: Product) -> SubAccount:
        found = await console.account(product, owner)
        return await provision.create_sub_account(product.tenants, product.keys, found.id, user_id, name, kind)

    made = SubAccountAnswer.of(console.run(create))
    if as_json:
        console.show(made, (), True)
        return
    console.table([_with_room(made)], SUB_ACCOUNT)
    typer.echo()
    console.show_all(made.rooms[0].passcodes, PASSCODE, False)


@sub_account.command("list")
def list_sub_accounts(owner: Owner, as_json: Json = False) -> None:
    """List the sub-accounts of an account."""

    async def find(product: Product) -> list[SubAccount]:
        found = await console.account(product, owner)
        return await console.everything(lambda limit, after: product.tenants.sub_accounts(found.id, limit, after))

    found = [SubAccountAnswer.of(one) for one in console.run(find)]
    if as_json:
        console.show_all(found, (), True)
    else:
        console.table([_with_room(one) for one in found], SUB_ACCOUNT)


def _with_room(owner: SubAccountAnswer) -> dict[str, object]:
    return {**owner.model_dump(mode="json"), "room": owner.rooms[0].id if owner.rooms else None}


@passcode.command("create")
def create_passcode(
    room: Room,
    role: Role = Role.GUEST,
    digits: Annotated[str | None, typer.Option(help="A code of your choice; generated if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Add a passcode to a room."""
    room_id = console.identifier(room, "room")
    made = console.run(lambda product: provision.add_passcode(product.tenants, product.keys, room_id, role, digits))
    console.show(PasscodeAnswer.of(made), PASSCODE, as_json)


@passcode.command("list")
def list_passcodes(room: Room, as_json: Json = False) -> None:
    """List the passcodes of a room, without digits."""
    room_id = console.identifier(room, "room")
    found = console.run(
        lambda product: console.everything(lambda limit, after: product.tenants.passcodes(room_id, limit, after))
    )
    console.show_all([PasscodeAnswer.of(one) for one in found], ("id", "role", "state", "created_at"), as_json)


@passcode.command("revoke")
def revoke_passcode(passcode_id: str, as_json: Json = False) -> None:
    """Revoke a passcode, at once and for good."""
    wanted = console.identifier(passcode_id, "passcode_id")
    revoked = console.run(lambda product: product.tenants.revoke_passcode(wanted))
    console.show(PasscodeAnswer.of(revoked), ("id", "role", "state"), as_json)


@passcode.command("reveal")
def reveal_passcode(passcode_id: str, as_json: Json = False) -> None:
    """Print the digits of a passcode."""
    wanted = console.identifier(passcode_id, "passcode_id")
    digits = console.run(lambda product: provision.reveal(product.tenants, product.keys, wanted))
    typer.echo(json.dumps({"id": str(wanted), "digits": digits}) if as_json else digits)


@access_number.command("add")
def add_access_number(number: str, kind: NumberKind = NumberKind.LOCAL, as_json: Json = False) -> None:
    """Add a number that callers dial."""
    made = console.run(lambda product: provision.add_access_number(product.tenants, number, kind))
    console.show(AccessNumberAnswer.of(made), NUMBER, as_json)


@access_number.command("list")
def list_access_numbers(as_json: Json = False) -> None:
    """List access numbers."""
    found = console.run(lambda product: console.everything(product.tenants.access_numbers))
    console.show_all([AccessNumberAnswer.of(one) for one in found], NUMBER, as_json)
