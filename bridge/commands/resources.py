"""The commands of each resource of REST: their names, and what of an answer is shown to people."""

import json
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
    """One group of commands. `columns` are the fields that tables show, where an answer has them."""

    command: str
    help: str
    columns: tuple[str, ...]


RESOURCES: Final[Mapping[str, Resource]] = {
    "account": Resource("account", "Who pays.", ("id", "name", "currency", "time_zone", "state")),
    "sub_account": Resource(
        "sub-account",
        "Who uses: an employee, department, project or client.",
        ("id", "user_id", "name", "kind", "state", "cost_centre", "room"),
    ),
    "room": Resource("room", "Standing conference rooms.", ("id", "name", "state", "max_participants")),
    "passcode": Resource("passcode", "Digits that open a room in a role.", PASSCODE),
    "access_number": Resource(
        "access-number", "Numbers that callers dial.", ("id", "number", "kind", "language", "greeting", "account_id")
    ),
    "project_code": Resource("project-code", "Billing references.", ("id", "code", "name", "state", "sub_account_id")),
    "known_caller": Resource(
        "known-caller", "Callers known by number.", ("id", "number", "name", "skips_code", "room_id")
    ),
    "api_key": Resource(
        "key", "Keys of REST.", ("id", "name", "scope", "read_only", "hint", "expires_at", "last_used_at", "key")
    ),
    "audit_log": Resource(
        "audit", "Who changed what.", ("created_at", "actor", "action", "subject", "subject_id", "remote")
    ),
    "admission_attempt": Resource(
        "attempt", "Callers who were refused.", ("created_at", "caller", "access_number", "trunk", "reason")
    ),
    "block": Resource("block", "Callers slowed down or blocked.", ("id", "kind", "value", "level", "blocked_until")),
    "webhook": Resource("webhook", "Programs that are told of events.", ("id", "url", "events", "state", "secret")),
    "webhook_delivery": Resource(
        "webhook-delivery", "Events on their way.", ("id", "event", "state", "attempts", "status", "error")
    ),
    "conference": Resource("conference", "Who is in which room now.", ("room_id", "started_at", "participants")),
}
ELSEWHERE: Final = frozenset({"tariff", "minute", "statement"})
"""Resources with commands of their own, made for reading."""
NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "create_access_number": ("access_number", "add"),
    "list_audit_entries": ("audit_log", "list"),
    "rotate_webhook_secret": ("webhook", "rotate-secret"),
}
"""Operations whose names don't say their command."""


def add(app: typer.Typer) -> dict[str, typer.Typer]:
    """Add the commands of all operations to the program; its new groups, by resource."""
    groups: dict[str, typer.Typer] = {}
    for operation in table.OPERATIONS:
        noun, verb = named(operation)
        if noun in ELSEWHERE:
            continue
        resource = RESOURCES[noun]
        if noun not in groups:
            groups[noun] = typer.Typer(no_args_is_help=True, help=resource.help)
            app.add_typer(groups[noun], name=resource.command)
        groups[noun].command(verb)(generated.command(operation, _show(noun)))
    return groups


def named(operation: Operation) -> tuple[str, str]:
    """The resource that an operation is about, and the verb of its command."""
    if operation.name in NAMED:
        return NAMED[operation.name]
    verb, _, noun = operation.name.partition("_")
    singular = noun.removesuffix("ies") + "y" if noun.endswith("ies") else noun.removesuffix("s")
    return singular, "import" if operation.bulk else verb


def _show(noun: str) -> Callable[[Any, bool], None]:
    def show(answer: Any, as_json: bool) -> None:
        if as_json:
            typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        elif answer is None:
            typer.echo("done")
        else:
            _tables(answer, RESOURCES[noun].columns)

    return show


def _tables(answer: Any, columns: tuple[str, ...]) -> None:
    rows = answer if isinstance(answer, list) else answer.get("items", [answer])
    _table([_flat(row) for row in rows], columns)
    if not isinstance(answer, list):
        made = [code for row in rows for room in row.get("rooms", ()) for code in room["passcodes"]]
        if made:
            typer.echo("")
            users = {code["id"]: row["user_id"] for row in rows for room in row["rooms"] for code in room["passcodes"]}
            named = [{**code, "user_id": users[code["id"]]} for code in made]
            _table(named, ("user_id", *PASSCODE) if len(rows) > 1 else PASSCODE)
        for warning in {warning for row in rows for warning in row.get("warnings", ())}:
            typer.echo(f"\nwarning: {warning}")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    rooms = row.get("rooms")
    told = {name: _cell(value) for name, value in row.items()}
    return told if rooms is None else {**told, "room": rooms[0]["id"] if rooms else None}


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
    """Columns that say nothing in any row are left out."""
    told = [name for name in columns if not rows or any(row.get(name) not in (None, "") for row in rows)]
    terminal.table([{name: row.get(name) for name in told} for row in rows], told)
