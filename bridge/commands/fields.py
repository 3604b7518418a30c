"""The fields of a request's JSON schema as arguments and options of a command."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel

from bridge.commands import terminal
from bridge.domain.errors import Invalid

POSITIONAL: Final = frozenset({"name", "user_id", "number", "url", "code"})
"""Required fields with these names are arguments. All other fields are options."""
SECRET: Final = frozenset({"password"})
"""Fields that are read from a file: everybody on the machine sees the words of a command line."""
NONE: Final = "none"
"""Typed by a person to send null."""


@dataclass(frozen=True, slots=True)
class RequestField:
    """A field of a body (`in_body`), or a parameter of a query. `type` is the type in JSON schema."""

    name: str
    type: str
    choices: tuple[str, ...]
    required: bool
    nullable: bool
    help: str
    in_body: bool

    @property
    def variable(self) -> str:
        """The name of the function's parameter. The prefix avoids keywords of Python, such as `from`."""
        return f"given_{self.name}"

    def value(self, given: Any) -> Any:
        """Return the value to send for a typed one. Raises Invalid."""
        if isinstance(given, Enum):
            return given.value
        if self.nullable and given == NONE:
            return None
        if self.type == "array" and given == [NONE]:
            return []
        if self.name in SECRET:
            return terminal.first_line(given)
        if self.type == "object":
            return dict(_pair(self.name, each) for each in given)
        if self.type == "integer":
            return _whole(self.name, given)
        return _utf8(self.name, given) if isinstance(given, str) else given

    def parameter(self) -> inspect.Parameter:
        """Return the argument or option for typer."""
        kind, option = self._kind()
        info: Any = typer.Option(option, help=self._help())
        if self.in_body and self.required:
            if self.name in POSITIONAL:
                info = typer.Argument(help=self._help(), metavar=self.name.upper())
            return keyword(self.variable, Annotated[kind, info])
        if self.required:
            return keyword(self.variable, Annotated[kind, info])
        return keyword(self.variable, Annotated[kind | None, info], None)

    def _kind(self) -> tuple[Any, str]:
        name = self.name.removesuffix("_id").replace("_", "-")
        if self.name in SECRET:
            return str, f"--{name}-file"
        if self.type == "boolean":
            return bool, f"--{name}/--no-{name}"
        if self.type in {"object", "array"}:
            return list[str], f"--{_singular(name)}"
        if self.choices and not self.nullable:
            return Enum(self.name, {choice: choice for choice in self.choices}, type=str), f"--{name}"
        return str, f"--{name}"

    def _help(self) -> str:
        text = self.help[:1].upper() + self.help[1:]
        if self.name in SECRET:
            text = f"File whose first line is this; - reads standard input. {text}"
        if self.type == "object":
            text += " KEY=VALUE, as often as needed."
        if (self.nullable or self.type == "array") and self.in_body:
            text = f"{text.rstrip('.')}{'; ' if text else ''}`{NONE}` for none."
        return text


def of(model: type[BaseModel] | None, *, in_body: bool) -> list[RequestField]:
    """Return the fields of a request's model, in their order. Without a model there are none."""
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True)
    required = set(schema.get("required", ()))
    return [_field(name, about, name in required, schema, in_body) for name, about in schema["properties"].items()]


def keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """Return a keyword-only parameter of a function."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _field(
    name: str, about: Mapping[str, Any], required: bool, schema: Mapping[str, Any], in_body: bool
) -> RequestField:
    kinds = [_resolved(kind, schema) for kind in about.get("anyOf", [about])]
    real = next(kind for kind in kinds if kind.get("type") != "null")
    description = about.get("description") or ""
    nullable = any(kind.get("type") == "null" for kind in kinds)
    choices = tuple(real.get("enum", ()))
    return RequestField(name, real.get("type", "string"), choices, required, nullable, description, in_body)


def _resolved(kind: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in kind:
        return kind
    found: Mapping[str, Any] = schema["$defs"][kind["$ref"].rsplit("/", 1)[1]]
    return found


def _singular(name: str) -> str:
    return name.removesuffix("es") if name.endswith("sses") else name.removesuffix("s")


def _pair(field: str, text: str) -> tuple[str, str]:
    name, between, value = text.partition("=")
    if not between:
        raise Invalid(field, f"{text!r} is no KEY=VALUE")
    return name, value


def _utf8(field: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(field, "this is no text in UTF-8") from None
    return text


def _whole(field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Invalid(field, f"{text!r} is no whole number") from None
