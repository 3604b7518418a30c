"""The OpenAPI 3.1 document, made from the operation table."""

import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bridge.api.operations import Operation

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
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_REFUSALS: Final = {
    400: "The body is no JSON",
    401: "No key, or a wrong one",
    404: "There is none, or it is not yours to see",
    409: "It contradicts what is there already",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "A value is malformed",
    503: "Something this depends on does not answer now",
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document, with every schema under components."""
    answers: set[type[BaseModel]] = {operation.answer for operation in operations if operation.answer}
    bodies: set[type[BaseModel]] = {operation.body for operation in operations if operation.body}
    wanted = [(model, "serialization") for model in answers] + [(model, "validation") for model in bodies]
    wanted.sort(key=lambda pair: (pair[0].__name__, pair[1]))
    refs, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bridge", "version": version, "description": "Provision and bill a conference bridge."},
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM, **definitions.get("$defs", {})},
        },
    }


def _operation(operation: Operation, refs: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{"key": [operation.scope.value]}],
        "parameters": [*_path(operation.path), *_query(operation.query)],
        "responses": _responses(operation, refs),
    }
    if operation.body is not None:
        schema = refs[(operation.body, "validation")]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _path(path: str) -> list[dict[str, Any]]:
    uuid = {"type": "string", "format": "uuid"}
    return [{"name": name, "in": "path", "required": True, "schema": uuid} for name in re.findall(r"{(\w+)}", path)]


def _query(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in described.items() if key != "title"},
        }
        for name, described in schema["properties"].items()
    ]


def _responses(operation: Operation, refs: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done"}
    if operation.answer is not None:
        answer["content"] = {"application/json": {"schema": refs[(operation.answer, "serialization")]}}
    refusals = {401, 422, 503, *operation.refusals}
    if operation.body is not None:
        refusals |= {400, 413, 415}
    if "{" in operation.path:
        refusals.add(404)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told = {str(status): {"description": _REFUSALS[status], "content": problem} for status in sorted(refusals)}
    rest = {"default": {"description": "Anything else that went wrong", "content": problem}}
    return {str(operation.status): answer, **told, **rest}
