"""The OpenAPI 3.1 document, made from the operation table."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema
from pydantic_core import to_jsonable_python

from bridge.api.http import csv_items, media_types, parsing
from bridge.api.http.idempotency import HEADER as IDEMPOTENCY_KEY
from bridge.api.http.idempotency import REPLAYED
from bridge.api.http.operations import Operation
from bridge.domain.access.principal import Scope
from bridge.usecases.access.ports import OWNED

Json = dict[str, Any]
PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901 into the body, or a query parameter's name"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
EXAMPLE: Final = {
    "type": "about:blank",
    "title": "Invalid value",
    "status": 422,
    "detail": "/name: String should have at least 1 character",
    "errors": [{"pointer": "/name", "detail": "String should have at least 1 character"}],
}
_REFUSALS: Final = {
    400: "The body or a header cannot be read",
    401: "No key, or one that is not good (any more)",
    403: "The key is good, but not for this",
    404: "There is none, or it is not yours to see",
    408: "The body did not come in time",
    409: "It contradicts what is there already, or the same request is being carried out",
    412: "It was changed since the version in If-Match",
    413: "The body is too large",
    415: "The body is of another type",
    422: "A value is malformed",
    429: "Too many requests",
    500: "A defect: the log of the daemon tells more",
    503: "Something this depends on does not answer now",
}
_TEXT: Final = {"type": "string"}
_HEADERS: Final = {
    "Content-Disposition": {"description": "the name of the file, of a download", "schema": _TEXT},
    "ETag": {"description": "the version, for If-Match", "schema": _TEXT, "example": '"3"'},
    "Retry-After": {"description": "seconds", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"schema": _TEXT},
    REPLAYED: {"description": "`true` on an answer that was given before", "schema": {"const": "true"}},
}
_SCOPES: Final = {
    Scope.OPERATOR: "A key of the operator.",
    Scope.ACCOUNT: "A key of an account, for what is its own, or of the operator.",
    Scope.SUB_ACCOUNT: "A key of a sub-account or an account, for what is its own, or of the operator.",
}
_ABOUT: Final = """\
Provision and bill a conference bridge.

Send a key as `Authorization: Bearer KEY`. A key reaches the whole installation (`operator`), one account (`account`) or
one sub-account (`sub_account`); of what is not its own it learns nothing, not even that it exists. Read-only keys may
GET.

Errors are problems (RFC 9457), which name each bad field. Lists come in pages: `next_cursor` of one is `cursor` of the
next. A POST with an `Idempotency-Key` can be sent again at will within a day: it is carried out once. Send the `ETag`
of what you read as `If-Match` with a change, and it fails rather than undo somebody else's.\
"""


def document(operations: Sequence[Operation]) -> Json:
    """The whole document, with every schema under components."""
    answers: set[type[BaseModel]] = {operation.answer for operation in operations if operation.answer}
    bodies: set[type[BaseModel]] = {operation.body for operation in operations if operation.body}
    wanted = [(model, "serialization") for model in answers] + [(model, "validation") for model in bodies]
    wanted.sort(key=lambda pair: (pair[0].__name__, pair[1]))
    refs, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bridge", "version": version("bridge"), "description": _ABOUT},
        "tags": [{"name": name} for name in dict.fromkeys(map(_subject, operations))],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "responses": {_refused(status): _refusal(status) for status in sorted(_REFUSALS)},
            "schemas": {"Problem": PROBLEM, **dict(sorted(definitions.get("$defs", {}).items()))},
        },
    }


def _operation(operation: Operation, refs: Any) -> Json:
    scope = _SCOPES[operation.scope] + (" Not a read-only one." if operation.changes else "")
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": scope,
        "tags": [_subject(operation)],
        "security": [{"key": [operation.scope.value]}],
        "parameters": [*_path(operation.path), *_query(operation.query), *_headers(operation)],
        "responses": _responses(operation, refs),
    }
    if operation.body is not None:
        described["requestBody"] = _body(operation, operation.body, refs)
    return described


def _subject(operation: Operation) -> str:
    return operation.handler.__module__.rpartition(".")[2].replace("_", "-")


def _body(operation: Operation, body: type[BaseModel], refs: Any) -> Json:
    content: Json = {"schema": refs[(body, "validation")]}
    example = _example(body)
    if example is not None:
        content["example"] = example
    described: Json = {"required": not parsing.is_optional(body), "content": {media_types.JSON: content}}
    if operation.bulk:
        fields = csv_items.item_model(body).model_fields
        header = ",".join(field.alias or name for name, field in fields.items())
        about = (
            "The items, a line each, under a line of field names (RFC 4180, UTF-8); an empty cell leaves a field out."
        )
        described["content"][media_types.CSV] = {"schema": {**_TEXT, "description": about}, "example": header + "\n"}
    return described


def _example(body: type[BaseModel]) -> Json | None:
    """Of fields that have one each; None when one that is required has none."""
    fields = body.model_fields
    if any(field.is_required() and not field.examples for field in fields.values()):
        return None
    return {field.alias or name: to_jsonable_python(field.examples[0]) for name, field in _exemplary(fields)} or None


def _exemplary(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, Any]]:
    return ((name, field) for name, field in fields.items() if field.examples)


def _path(path: str) -> list[Json]:
    uuid = {"type": "string", "format": "uuid"}
    return [{"name": name, "in": "path", "required": True, "schema": uuid} for name in re.findall(r"{(\w+)}", path)]


def _query(query: type[BaseModel] | None) -> list[Json]:
    if query is None:
        return []
    schema = query.model_json_schema()
    required, defined = schema.get("required", []), schema.get("$defs", {})
    whole = _whole(schema["properties"], defined)
    return [_parameter(name, described, name in required) for name, described in whole.items()]


def _whole(schema: Any, defined: Mapping[str, Any]) -> Any:
    """A schema with all that it refers to in its place: parameters are not shared."""
    match schema:
        case {"$ref": str(ref), **rest}:
            return {**_whole(defined[ref.rpartition("/")[2]], defined), **rest}
        case dict():
            return {key: _whole(value, defined) for key, value in schema.items()}
        case list():
            return [_whole(each, defined) for each in schema]
        case _:
            return schema


def _parameter(name: str, described: Mapping[str, Any], required: bool) -> Json:
    # What is absent is left out: nobody writes null into a query.
    kinds = [kind for kind in described.get("anyOf", ()) if kind.get("type") != "null"]
    schema = {key: value for key, value in described.items() if key not in {"title", "anyOf", "description"}}
    schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    if schema.get("default", "") is None:
        del schema["default"]
    told = {"description": described["description"]} if "description" in described else {}
    return {"name": name, "in": "query", **told, "required": required, "schema": schema}


def _headers(operation: Operation) -> list[Json]:
    wanted: list[tuple[str, str, Json]] = []
    if operation.method == "POST":
        key: Json = {**_TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}
        wanted.append((IDEMPOTENCY_KEY, "The same key with the same request has the same answer, for a day.", key))
    if operation.versioned and operation.changes:
        wanted.append(
            ("If-Match", 'The ETag of what is to be changed, such as `"3"`, or `*`.', {**_TEXT, "pattern": _TAG})
        )
    if operation.versioned and not operation.changes:
        wanted.append(("If-None-Match", "The ETag of what is there already.", _TEXT))
    return [
        {"name": name, "in": "header", "description": about, "required": False, "schema": schema}
        for name, about, schema in wanted
    ]


_TAG: Final = r'^(\*|(W/)?"[!#-~]*")$'


def _responses(operation: Operation, refs: Any) -> Json:
    answer: Json = {"description": "Done"}
    content = _content(operation, refs)
    if content:
        answer["content"] = content
    headers: set[str] = {REPLAYED} if operation.method == "POST" else set()
    if operation.produces != (media_types.JSON,):
        headers.add("Content-Disposition")
    if operation.versioned and content:
        headers.add("ETag")
    told = {operation.status: _with_headers(answer, headers)}
    if operation.versioned and not operation.changes:
        told[304] = _with_headers({"description": "It is the version in If-None-Match"}, {"ETag"})
    told |= {status: {"$ref": f"#/components/responses/{_refused(status)}"} for status in refusals(operation)}
    return {str(status): described for status, described in sorted(told.items())}


def _content(operation: Operation, refs: Any) -> Json:
    """The schema of each media type that an operation produces; empty where it has no body."""
    content: Json = {}
    for media_type in operation.produces:
        match media_type:
            case media_types.JSON if operation.answer is None:
                continue
            case media_types.JSON:
                schema = refs[(operation.answer, "serialization")]
            case media_types.CSV:
                schema = {**_TEXT, "description": _CSV_ROWS}
            case _ if media_type.startswith("text/"):
                schema = _TEXT
            case _:
                schema = {**_TEXT, "format": "binary"}
        content[media_type] = {"schema": schema}
    return content


_CSV_ROWS: Final = (
    "All items of the filter, a line each under a line of field names (RFC 4180, UTF-8). Leave `limit` and `cursor` "
    "out. Null is an empty cell. A cell that a spreadsheet would run as a formula has an apostrophe in front; plain "
    "numbers, such as `+4930123456`, stay as they are."
)
_REFUSAL_HEADERS: Final = {
    401: frozenset({"WWW-Authenticate"}),
    429: frozenset({"Retry-After"}),
    503: frozenset({"Retry-After"}),
}


def _refused(status: int) -> str:
    return f"Refused{status}"


def _refusal(status: int) -> Json:
    problem: Json = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if status == 422:
        problem["example"] = EXAMPLE
    refused: Json = {"description": _REFUSALS[status], "content": {"application/problem+json": problem}}
    return _with_headers(refused, _REFUSAL_HEADERS.get(status, frozenset()))


def refusals(operation: Operation) -> set[int]:
    """All statuses other than success that an operation can answer with."""
    found = {401, 422, 500, 503, *operation.refusals}
    if operation.changes or operation.scope is not Scope.SUB_ACCOUNT:
        found.add(403)
    if "{" in operation.path or _names_owned(operation):
        found.add(404)
    if operation.method == "POST":
        found |= {400, 409}
    if operation.body is not None:
        found |= {400, 408, 413, 415}
    if operation.versioned and operation.changes:
        found |= {400, 412}
    return found


def _names_owned(operation: Operation) -> bool:
    models = [model for model in (operation.query, operation.body) if model is not None]
    return operation.scope is not Scope.OPERATOR and any(OWNED & model.model_fields.keys() for model in models)


def _with_headers(described: Json, names: set[str] | frozenset[str]) -> Json:
    return {**described, "headers": {name: _HEADERS[name] for name in sorted(names)}} if names else described


def text(described: Json) -> str:
    """A document as docs/openapi.json has it."""
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
