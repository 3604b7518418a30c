"""Error responses in the document: the schema of a problem, and the statuses that each operation can return."""

from typing import Any, Final

from bridge.api.http.media_types import PROBLEM as PROBLEM_JSON
from bridge.api.http.operations import Operation
from bridge.domain.access.principal import Scope
from bridge.usecases.access.ports import OWNED

Json = dict[str, Any]
SCHEMAS: Final[Json] = {
    "Problem": {
        "type": "object",
        "description": "Error response, a problem document of RFC 9457.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "Always `about:blank`: `status` and `title` tell errors apart."},
            "title": {"type": "string", "description": "Short name of the error, the same for each error of its kind."},
            "status": {"type": "integer", "description": "Status code of the response."},
            "detail": {"type": "string", "description": "What is wrong with this request, in plain English."},
            "errors": {
                "type": "array",
                "description": "Each invalid field, where the error is about fields.",
                "items": {"$ref": "#/components/schemas/FieldError"},
            },
        },
    },
    "FieldError": {
        "type": "object",
        "description": "An invalid field of a request.",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "JSON pointer (RFC 6901) into the body, or the name of a query parameter.",
            },
            "detail": {"type": "string", "description": "What is wrong with the field."},
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
ERRORS: Final = {
    400: ("BadRequest", "The body or a header cannot be read."),
    401: ("Unauthorized", "The API key is missing, unknown, expired or revoked."),
    403: ("Forbidden", "The API key is valid, but may not do this."),
    404: ("NotFound", "There is no such resource, or the API key may not see it."),
    408: ("RequestTimeout", "The body did not arrive in time."),
    409: ("Conflict", "The request contradicts what is stored, or the same request is still being carried out."),
    412: ("PreconditionFailed", "The resource has changed since the version in If-Match."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body has a media type that the operation does not accept."),
    422: ("InvalidValue", "A field, a query parameter or a header has an invalid value."),
    429: ("TooManyRequests", "Too many requests. Retry after the seconds in Retry-After."),
    500: ("InternalError", "A defect of the server. The log of the daemon has the details."),
    503: ("Unavailable", "A part of the installation does not respond. Retry after the seconds in Retry-After."),
}
HEADERS: Final = {
    401: frozenset({"WWW-Authenticate"}),
    429: frozenset({"Retry-After"}),
    503: frozenset({"Retry-After"}),
}


def components() -> dict[str, tuple[Json, frozenset[str]]]:
    """All error responses by name, each with the names of its headers."""
    return {name: (_response(status), HEADERS.get(status, frozenset())) for status, (name, _) in sorted(ERRORS.items())}


def reference(status: int) -> Json:
    """Return the reference to the response of a status."""
    return {"$ref": f"#/components/responses/{ERRORS[status][0]}"}


def statuses(operation: Operation) -> set[int]:
    """Return all error statuses that an operation can respond with."""
    possible = {401, 422, 429, 500, 503, *operation.refusals}
    if operation.changes or operation.scope is not Scope.SUB_ACCOUNT:
        possible.add(403)
    if "{" in operation.path or _names_owned(operation):
        possible.add(404)
    if operation.method == "POST":
        # The Idempotency-Key may be malformed, and its first request may still be running.
        possible |= {400, 409}
    if operation.body is not None:
        possible |= {400, 408, 413, 415}
    if operation.versioned and operation.changes:
        # If-Match may be malformed, or name an earlier version.
        possible |= {400, 412}
    return possible


def _response(status: int) -> Json:
    problem: Json = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if status == 422:
        problem["example"] = EXAMPLE
    return {"description": ERRORS[status][1], "content": {PROBLEM_JSON: problem}}


def _names_owned(operation: Operation) -> bool:
    """Return True if the body or query of an operation can name a resource that belongs to an account.

    The response is a 404 if the key may not see that resource.
    """
    models = [model for model in (operation.query, operation.body) if model is not None]
    return operation.scope is not Scope.OPERATOR and any(OWNED & model.model_fields.keys() for model in models)
