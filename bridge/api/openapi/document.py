"""The OpenAPI 3.1 document, made from the operation table.

An operation's summary stands in the table. Its description is the docstring of its handler, if it has one, and the
scope of the API key that it requires. Operations are grouped by the module of their handler.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from bridge.api.http import media_types, parsing
from bridge.api.http.bulk import csv_items
from bridge.api.http.idempotency import HEADER as IDEMPOTENCY_KEY
from bridge.api.http.idempotency import REPLAYED
from bridge.api.http.operations import Operation
from bridge.api.openapi import introduction, problem_responses, schemas, tags
from bridge.api.openapi.schemas import Schemas
from bridge.domain.access.principal import Scope

Json = dict[str, Any]
_TEXT: Final = {"type": "string"}
_HEADERS: Final = {
    "Content-Disposition": {"description": "Name of the file, of a download.", "schema": _TEXT},
    "ETag": {"description": "Version of the resource, to be sent as If-Match.", "schema": _TEXT, "example": '"3"'},
    "Retry-After": {"description": "Seconds to wait before the next attempt.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "The authentication scheme, `Bearer`.", "schema": _TEXT},
    REPLAYED: {
        "description": "`true` if this is the stored response of an earlier request with the same Idempotency-Key.",
        "schema": {"const": "true"},
    },
}
_SCOPES: Final = {
    Scope.OPERATOR: "Requires an operator key.",
    Scope.ACCOUNT: "Requires a key of the account, or an operator key.",
    Scope.SUB_ACCOUNT: "Requires a key of the sub-account or of its account, or an operator key.",
}
_ID_NAMES: Final = {"key": "API key", "sub_account": "sub-account", "delivery": "webhook delivery"}
_CSV_ROWS: Final = (
    "Everything that the filter selects, one item a line, below a line of field names (RFC 4180, UTF-8). Leave `limit` "
    "and `cursor` out. Null is an empty cell. A cell that a spreadsheet would run as a formula begins with an "
    "apostrophe; plain numbers, such as `+4930123456`, stay as they are."
)
_TAG: Final = r'^(\*|(W/)?"[!#-~]*")$'


def document(operations: Sequence[Operation]) -> Json:
    """Return the whole document, with every schema under components."""
    known = schemas.of(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bridge",
            "summary": introduction.SUMMARY,
            "version": version("bridge"),
            "description": introduction.DESCRIPTION,
        },
        # Relative to the address that serves the document: every installation has its own.
        "servers": [{"url": "/", "description": "The installation that serves this document"}],
        "tags": [_tag(name) for name in dict.fromkeys(map(_subject, operations))],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, such as `bk_…`."}
            },
            "responses": {
                name: _with_headers(response, headers)
                for name, (response, headers) in problem_responses.components().items()
            },
            "schemas": dict(sorted({**known.named, **problem_responses.SCHEMAS}.items())),
        },
    }


def _tag(name: str) -> Json:
    # Tests serve operations of their own, which have no tag here.
    return {"name": name, "description": tags.TAGS[name]} if name in tags.TAGS else {"name": name}


def _operation(operation: Operation, known: Schemas) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [_subject(operation)],
        "security": [{"key": [operation.scope.value]}],
        "parameters": [*_path(operation.path), *_query(operation, known), *_headers(operation)],
        "responses": _responses(operation, known),
    }
    if operation.body is not None:
        described["requestBody"] = _body(operation, operation.body, known)
    return described


def _description(operation: Operation) -> str:
    scope = _SCOPES[operation.scope] + (" Read-only keys are refused." if operation.changes else "")
    about = schemas.unwrapped(operation.handler.__doc__ or "")
    return f"{about}\n\n{scope}" if about else scope


def _subject(operation: Operation) -> str:
    return operation.handler.__module__.rpartition(".")[2].replace("_", "-")


def _body(operation: Operation, body: type[BaseModel], known: Schemas) -> Json:
    content: Json = {"schema": known.references[(body, "validation")]}
    example = _example(body)
    if example is not None:
        content["example"] = example
    described: Json = {"required": not parsing.is_optional(body), "content": {media_types.JSON: content}}
    if operation.bulk:
        fields = csv_items.item_model(body).model_fields
        header = ",".join(field.alias or name for name, field in fields.items())
        about = "One item a line, below a line of field names (RFC 4180, UTF-8). An empty cell leaves the field out."
        described["content"][media_types.CSV] = {"schema": {**_TEXT, "description": about}, "example": header + "\n"}
    return described


def _example(body: type[BaseModel]) -> Json | None:
    """An example of a body, made of the examples of its fields; None if a required field has none."""
    fields = body.model_fields
    if any(field.is_required() and not field.examples for field in fields.values()):
        return None
    return {field.alias or name: to_jsonable_python(field.examples[0]) for name, field in _exemplary(fields)} or None


def _exemplary(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, Any]]:
    return ((name, field) for name, field in fields.items() if field.examples)


def _path(path: str) -> list[Json]:
    uuid = {"type": "string", "format": "uuid"}
    return [
        {"name": name, "in": "path", "description": _id_description(name), "required": True, "schema": uuid}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _id_description(name: str) -> str:
    owner = name.removesuffix("_id")
    return f"Id of the {_ID_NAMES.get(owner, owner.replace('_', ' '))}."


def _query(operation: Operation, known: Schemas) -> list[Json]:
    return [] if operation.query is None else list(known.queries[operation.query].values())


def _headers(operation: Operation) -> list[Json]:
    headers: list[tuple[str, str, Json]] = []
    if operation.method == "POST":
        key: Json = {**_TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}
        about = "Makes the request safe to repeat: within 24 hours the same key returns the first response."
        headers.append((IDEMPOTENCY_KEY, about, key))
    if operation.versioned and operation.changes:
        about = 'ETag of the version that is to be changed, such as `"3"`, or `*` for any.'
        headers.append(("If-Match", about, {**_TEXT, "pattern": _TAG}))
    if operation.versioned and not operation.changes:
        about = "ETag of the version that the client has already; 304 if it is still the latest."
        headers.append(("If-None-Match", about, _TEXT))
    return [
        {"name": name, "in": "header", "description": about, "required": False, "schema": schema}
        for name, about, schema in headers
    ]


def _responses(operation: Operation, known: Schemas) -> Json:
    success: Json = {"description": _success(operation)}
    content = _content(operation, known)
    if content:
        success["content"] = content
    headers: set[str] = {REPLAYED} if operation.method == "POST" else set()
    if operation.produces != (media_types.JSON,):
        headers.add("Content-Disposition")
    if operation.versioned and content:
        headers.add("ETag")
    responses = {operation.status: _with_headers(success, headers)}
    if operation.versioned and not operation.changes:
        responses[304] = _with_headers({"description": "The version in If-None-Match is the latest."}, {"ETag"})
    responses |= {status: problem_responses.reference(status) for status in problem_responses.statuses(operation)}
    return {str(status): response for status, response in sorted(responses.items())}


def _content(operation: Operation, known: Schemas) -> Json:
    """The schema of each media type that an operation produces; empty where it has no body."""
    content: Json = {}
    for media_type in operation.produces:
        match media_type:
            case media_types.JSON if operation.answer is None:
                continue
            case media_types.JSON:
                schema = known.references[(operation.answer, "serialization")]
            case media_types.CSV:
                schema = {**_TEXT, "description": _CSV_ROWS}
            case _ if media_type.startswith("text/"):
                schema = _TEXT
            case _:
                schema = {**_TEXT, "format": "binary"}
        content[media_type] = {"schema": schema}
    return content


def _success(operation: Operation) -> str:
    match operation.status:
        case 201:
            return "Created."
        case 204:
            return "Done. The response has no body."
        case _:
            return "Success."


def _with_headers(response: Json, names: set[str] | frozenset[str]) -> Json:
    return {**response, "headers": {name: _HEADERS[name] for name in sorted(names)}} if names else response


def text(described: Json) -> str:
    """A document as docs/openapi.json has it."""
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
