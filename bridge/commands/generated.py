"""Commands made from the operation table, so that the command line has what REST has: `create_account` becomes
`bridge account create`. The daemon carries them out and validates what was typed."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from bridge.api.http.operations import Operation
from bridge.commands import fields, remote, terminal
from bridge.commands.fields import Field
from bridge.commands.remote import Remote
from bridge.domain.errors import BridgeError, Conflict, NotFound

PAGING: Final = frozenset({"limit", "cursor"})
FINAL_WORDS: Final = frozenset({"closed", "suspended"})


def command(operation: Operation, show: Callable[[Any, bool], None]) -> Callable[..., None]:
    """A function for typer that carries out one operation; `show` prints what comes back, as JSON or for people."""
    ids = _ids(operation)
    body = [] if operation.bulk else fields.of(operation.body, in_body=True)
    query = [field for field in fields.of(operation.query, in_body=False) if field.name not in PAGING]

    def carry_out(**given: Any) -> None:
        typed = {name: value for name, value in given.items() if value not in (None, [])}
        _confirm(operation, typed)
        csv = _read(typed["file"]) if operation.bulk else None

        async def work(asking: Remote) -> Any:
            place = operation.path.format(**{name: await _id(asking, name, typed) for name in ids})
            wanted = {name: _text(value) for name, value in (await _sent(asking, query, typed)).items()}
            if operation.name.startswith("list_"):
                return await asking.everything(place, wanted)
            sent = await _sent(asking, body, typed) if operation.body is not None and not operation.bulk else None
            return await asking.ask(operation.method, place, wanted, sent, csv)

        show(remote.run(work), typed["as_json"])

    parameters = [*ids.values(), *(field.parameter() for field in (*body, *query)), *_usual(operation, ids)]
    # Arguments come in the order of the fields, those without a default first.
    ordered = sorted(parameters, key=lambda each: each.default is not inspect.Parameter.empty)
    carry_out.__doc__ = f"{operation.summary}."
    carry_out.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    carry_out.__annotations__ = {each.name: each.annotation for each in ordered}
    return carry_out


async def account_id(asking: Remote, id_or_name: str) -> str:
    """The id of the account of that id, or the only one of that name. Raises NotFound, Conflict."""
    try:
        return str(UUID(id_or_name))
    except ValueError:
        found = [one for one in await asking.everything("/v1/accounts", {}) if one["name"] == id_or_name]
    if len(found) > 1:
        raise Conflict(f"{len(found)} accounts are named {id_or_name!r}: give the id of one, see `bridge account list`")
    if not found:
        raise NotFound(f"there is no account named {id_or_name!r}: see `bridge account list`")
    return str(found[0]["id"])


async def sub_account_id(asking: Remote, id_or_user_id: str, account: str | None) -> str:
    """The id of the sub-account of that id, or of that user ID in an account. Raises NotFound, Conflict, Invalid."""
    if account is None:
        return str(terminal.identifier(id_or_user_id, "sub_account_id"))
    owner = await account_id(asking, account)
    found = await asking.everything(f"/v1/accounts/{owner}/sub-accounts", {"user_id": id_or_user_id})
    if not found:
        raise NotFound(f"there is no sub-account {id_or_user_id!r} in this account: see `bridge sub-account list`")
    return str(found[0]["id"])


async def _id(asking: Remote, name: str, typed: Mapping[str, Any]) -> str:
    match name:
        case "account_id":
            return await account_id(asking, typed[name])
        case "sub_account_id":
            return await sub_account_id(asking, typed[name], typed.get("of_account"))
        case _:
            return str(terminal.identifier(typed[name], name))


async def _sent(asking: Remote, asked: Sequence[Field], typed: Mapping[str, Any]) -> dict[str, Any]:
    sent = {field.name: field.value(typed[field.variable]) for field in asked if field.variable in typed}
    if sent.get("account_id"):
        sent["account_id"] = await account_id(asking, sent["account_id"])
    return sent


# --- What is typed ------------------------------------------------------------------------------------------------
def _ids(operation: Operation) -> dict[str, inspect.Parameter]:
    """The ids of the path: the thing's own is an argument; that of the owner of what is listed or made, an option."""
    parts = operation.path.split("/")
    of_owner = parts[-1] == "bulk" or (parts[-1].endswith("s") and operation.method in {"GET", "POST"})
    found = {}
    for name in (part[1:-1] for part in parts if part.startswith("{")):
        what = name.removesuffix("_id")
        told = f"Id of the {what.replace('_', ' ')}{', or its name' if what == 'account' else ''}."
        info = typer.Option(f"--{what.replace('_', '-')}", help=told) if of_owner else typer.Argument(help=told)
        found[name] = fields.keyword(name, Annotated[str, info])
    return found


def _usual(operation: Operation, ids: Mapping[str, inspect.Parameter]) -> list[inspect.Parameter]:
    flags = [fields.keyword("as_json", terminal.Json, False)]
    if "sub_account_id" in ids:
        told = "Account, by id or name: the sub-account may then be given by its user ID."
        flags.append(fields.keyword("of_account", Annotated[str | None, typer.Option("--account", help=told)], None))
    if operation.bulk:
        told = "CSV file, with the names of fields as its first line; - reads standard input."
        flags.append(fields.keyword("file", Annotated[str, typer.Argument(help=told)]))
    if operation.method in {"DELETE", "PATCH"}:
        flags.append(fields.keyword("yes", Annotated[bool, typer.Option("--yes", help="Do not ask.")], False))
    return flags


def _confirm(operation: Operation, typed: Mapping[str, Any]) -> None:
    """A person at a terminal is asked before what cannot be taken back, or takes callers out."""
    words = {str(getattr(value, "value", value)) for name, value in typed.items() if name == "given_state"}
    destructive = operation.method == "DELETE" or words & FINAL_WORDS or typed.get("given_disconnect")
    if destructive and not typed.get("yes") and sys.stdin.isatty():
        typer.confirm(f"{operation.summary}?", abort=True)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BridgeError(f"{file} cannot be read: {error.strerror}") from error


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
