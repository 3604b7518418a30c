"""The commands of each REST resource: their names, and the fields of a response that are shown to people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer

from bridge.api import table
from bridge.api.http.operations import Operation
from bridge.commands import generated, terminal

PASSCODE: Final = ("id", "role", "state", "digits", "pin", "label", "valid_until", "uses")


@dataclass(frozen=True, slots=True)
class Resource:
    """A group of commands. Tables show the fields in `columns`, where a response has them."""

    command: str
    help: str
    columns: tuple[str, ...]


RESOURCES: Final[Mapping[str, Resource]] = {
    "account": Resource(
        "account", "Accounts: the companies that get a bill.", ("id", "name", "currency", "time_zone", "state")
    ),
    "sub_account": Resource(
        "sub-account",
        "Sub-accounts: employees, departments, projects or clients, each with a room.",
        ("id", "user_id", "name", "kind", "state", "cost_centre", "room"),
    ),
    "room": Resource("room", "Conference rooms of sub-accounts.", ("id", "name", "state", "max_participants")),
    "passcode": Resource(
        "passcode", "Passcodes: the digits that let a caller into a room as host, guest or listener.", PASSCODE
    ),
    "access_number": Resource(
        "access-number",
        "Access numbers: the numbers that callers dial.",
        ("id", "number", "kind", "language", "greeting", "account_id", "trunk_ids"),
    ),
    "trunk": Resource(
        "trunk",
        "SIP trunks: where calls come from, and how numbers are written there.",
        ("id", "name", "addresses", "registrar", "transport", "srtp", "number_form", "country", "max_calls"),
    ),
    "project_code": Resource(
        "project-code",
        "Project codes: the matters that stays are charged to.",
        ("id", "code", "name", "state", "sub_account_id"),
    ),
    "known_caller": Resource(
        "known-caller",
        "Known callers: people recognized by their phone number.",
        ("id", "number", "name", "skips_code", "room_id"),
    ),
    "api_key": Resource(
        "key",
        "API keys: what programs and people authenticate with.",
        ("id", "name", "scope", "read_only", "hint", "expires_at", "last_used_at", "key"),
    ),
    "audit_log": Resource(
        "audit",
        "Audit log: who changed what, and when.",
        ("created_at", "actor", "action", "subject", "subject_id", "remote"),
    ),
    "admission_attempt": Resource(
        "attempt",
        "Calls that were refused, and why.",
        ("created_at", "caller", "access_number", "trunk", "trunk_id", "reason", "waited_for"),
    ),
    "block": Resource(
        "block",
        "What entries wait for, since many were wrong: callers, trunks, PINs and numbers.",
        ("id", "kind", "value", "left", "waits_s", "waiting"),
    ),
    "webhook": Resource(
        "webhook", "Webhooks: URLs that events are sent to.", ("id", "url", "events", "state", "secret")
    ),
    "webhook_delivery": Resource(
        "webhook-delivery",
        "Webhook deliveries: events that were sent or wait to be sent.",
        ("id", "event", "state", "attempts", "status", "error"),
    ),
    "conference": Resource(
        "conference",
        "Live conferences: which callers are in which room now.",
        ("room_id", "started_at", "participants"),
    ),
}
HANDWRITTEN: Final = frozenset({"tariff", "minute", "statement"})
"""Resources with handwritten commands: their output is made for people to read."""
NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "create_access_number": ("access_number", "add"),
    "create_trunk": ("trunk", "add"),
    "import_passcodes": ("passcode", "import-existing"),
    "list_audit_entries": ("audit_log", "list"),
    "rotate_webhook_secret": ("webhook", "rotate-secret"),
    "lift_caller": ("block", "lift-caller"),
}
"""Operations whose command does not follow from their name."""


def add(app: typer.Typer) -> dict[str, typer.Typer]:
    """Add the commands of all operations to the program. Return its new groups by resource."""
    groups: dict[str, typer.Typer] = {}
    for operation in table.OPERATIONS:
        noun, verb = named(operation)
        if noun in HANDWRITTEN:
            continue
        resource = RESOURCES[noun]
        if noun not in groups:
            groups[noun] = typer.Typer(no_args_is_help=True, help=resource.help)
            app.add_typer(groups[noun], name=resource.command)
        groups[noun].command(verb)(generated.command(operation, _show(noun)))
    return groups


def named(operation: Operation) -> tuple[str, str]:
    """Return the resource that an operation is about, and the verb of its command."""
    if operation.name in NAMED:
        return NAMED[operation.name]
    verb, _, noun = operation.name.partition("_")
    singular = noun.removesuffix("ies") + "y" if noun.endswith("ies") else noun.removesuffix("s")
    return singular, "import" if operation.bulk else verb


def _show(noun: str) -> Callable[[Any, bool], None]:
    def show(response: Any, as_json: bool) -> None:
        if as_json:
            terminal.print_json(response)
        elif response is None:
            typer.echo("done")
        else:
            _tables(response, RESOURCES[noun].columns)

    return show


def _tables(response: Any, columns: tuple[str, ...]) -> None:
    rows = response if isinstance(response, list) else response.get("items", [response])
    _table([_flat(row) for row in rows], columns)
    if not isinstance(response, list):
        made = [code for row in rows for room in row.get("rooms", ()) for code in room["passcodes"]]
        if made:
            typer.echo("")
            users = {code["id"]: row["user_id"] for row in rows for room in row["rooms"] for code in room["passcodes"]}
            named = [{**code, "user_id": users[code["id"]]} for code in made]
            _table(named, ("user_id", *PASSCODE) if len(rows) > 1 else PASSCODE)
        for warning in dict.fromkeys(warning for row in (response, *rows) for warning in row.get("warnings", ())):
            typer.echo(f"\nwarning: {warning}")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    rooms = row.get("rooms")
    cells = {name: _cell(value) for name, value in row.items()}
    return cells if rooms is None else {**cells, "room": rooms[0]["id"] if rooms else None}


def _cell(value: Any) -> Any:
    match value:
        case list():
            return len(value) if value and isinstance(value[0], dict) else ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{name}={each}" for name, each in value.items())
        case bool():
            return "yes" if value else "no"
        case _:
            return value


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Print a table without the columns that are empty in every row."""
    filled = [name for name in columns if not rows or any(row.get(name) not in (None, "") for row in rows)]
    terminal.table([{name: row.get(name) for name in filled} for row in rows], filled)
