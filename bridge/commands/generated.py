"""Commands made from the operation table, so that the command line can do all that REST can.

The operation `create_account` becomes `bridge account create`. The daemon validates what was typed and carries it out.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from bridge.api.http.operations import Operation
from bridge.commands import fields, ids, rest, terminal
from bridge.commands.fields import RequestField
from bridge.commands.rest import RestClient

PAGING: Final = frozenset({"limit", "cursor"})
BY_NAME: Final = frozenset({"account", "trunk"})
FINAL_STATES: Final = frozenset({"closed", "suspended"})


def command(operation: Operation, show: Callable[[Any, bool], None]) -> Callable[..., None]:
    """Make the function, for typer, that carries out one operation. `show` prints the response, as JSON or as text."""
    path_ids = _path_ids(operation)
    body = [] if operation.bulk else fields.of(operation.body, in_body=True)
    query = [field for field in fields.of(operation.query, in_body=False) if field.name not in PAGING]

    def carry_out(**given: Any) -> None:
        typed = {name: value for name, value in given.items() if value not in (None, [])}
        _confirm(operation, typed)
        csv = terminal.content(typed["file"]) if operation.bulk else None

        async def work(client: RestClient) -> Any:
            path = operation.path.format(**{name: await _id(client, name, typed) for name in path_ids})
            filters = {name: _text(value) for name, value in (await _values(client, query, typed)).items()}
            if operation.name.startswith("list_"):
                return await client.list_all(path, filters)
            has_json = operation.body is not None and not operation.bulk
            json = await _values(client, body, typed) if has_json else None
            return await client.request(operation.method, path, filters, json, csv)

        show(rest.run(work), typed["as_json"])

    parameters = [*path_ids.values(), *(field.parameter() for field in (*body, *query)), *_flags(operation, path_ids)]
    # Arguments come in the order of the fields, those without a default first.
    ordered = sorted(parameters, key=lambda each: each.default is not inspect.Parameter.empty)
    carry_out.__doc__ = f"{operation.summary}."
    carry_out.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    carry_out.__annotations__ = {each.name: each.annotation for each in ordered}
    return carry_out


async def _id(client: RestClient, name: str, typed: Mapping[str, Any]) -> str:
    match name:
        case "account_id":
            return await ids.account_id(client, typed[name])
        case "sub_account_id":
            return await ids.sub_account_id(client, typed[name], typed.get("of_account"))
        case "trunk_id":
            return await ids.trunk_id(client, typed[name])
        case _:
            return str(terminal.identifier(typed[name], name))


async def _values(client: RestClient, wanted: Sequence[RequestField], typed: Mapping[str, Any]) -> dict[str, Any]:
    values = {field.name: field.value(typed[field.variable]) for field in wanted if field.variable in typed}
    if values.get("account_id"):
        values["account_id"] = await ids.account_id(client, values["account_id"])
    if values.get("trunk_ids"):
        values["trunk_ids"] = [await ids.trunk_id(client, each) for each in values["trunk_ids"]]
    return values


# --- Parameters of a command --------------------------------------------------------------------------------------
def _path_ids(operation: Operation) -> dict[str, inspect.Parameter]:
    """Return a parameter for each id in the path.

    The id of the thing itself is an argument. The id of the owner of what is listed or created is an option.
    """
    parts = operation.path.split("/")
    of_owner = operation.bulk or (parts[-1].endswith("s") and operation.method in {"GET", "POST"})
    parameters = {}
    for name in (part[1:-1] for part in parts if part.startswith("{")):
        resource = name.removesuffix("_id")
        named = ", or its name" if resource in BY_NAME else ""
        text = f"Id of the {resource.replace('_', ' ')}{named}."
        if name == "sub_account_id":
            text = "Id of the sub-account, or its user ID if --account is given."
        option = f"--{resource.replace('_', '-')}"
        info = typer.Option(option, help=text) if of_owner else typer.Argument(help=text)
        parameters[name] = fields.keyword(name, Annotated[str, info])
    return parameters


def _flags(operation: Operation, path_ids: Mapping[str, inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the parameters that do not come from the request itself."""
    flags = [fields.keyword("as_json", terminal.Json, False)]
    if "sub_account_id" in path_ids:
        text = "Account of the sub-account, by id or name. Needed if the sub-account is given by its user ID."
        flags.append(fields.keyword("of_account", Annotated[str | None, typer.Option("--account", help=text)], None))
    if operation.bulk:
        text = "CSV file whose first line names the fields; - reads standard input."
        flags.append(fields.keyword("file", Annotated[str, typer.Argument(help=text)]))
    if operation.method in {"DELETE", "PATCH"}:
        text = "Do not ask for confirmation."
        flags.append(fields.keyword("yes", Annotated[bool, typer.Option("--yes", help=text)], False))
    return flags


def _confirm(operation: Operation, typed: Mapping[str, Any]) -> None:
    """Ask a person at a terminal before a change that cannot be undone or that takes callers out of a room."""
    states = {str(getattr(value, "value", value)) for name, value in typed.items() if name == "given_state"}
    destructive = operation.method == "DELETE" or states & FINAL_STATES or typed.get("given_disconnect")
    if destructive and not typed.get("yes") and sys.stdin.isatty():
        typer.confirm(f"{operation.summary}?", abort=True)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
