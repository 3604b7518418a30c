"""Errors as RFC 9457 problem documents. One table turns what the domain refuses into HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.api.http.media_types import PROBLEM
from bridge.api.http.response import ApiResponse
from bridge.domain.errors import (
    BridgeError,
    Conflict,
    Forbidden,
    Invalid,
    InvalidRows,
    NotFound,
    Stale,
    TooMany,
    Unavailable,
)

_STATUS: Final[tuple[tuple[type[BridgeError], int, str], ...]] = (
    (Forbidden, 403, "Forbidden"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (Stale, 412, "Changed meanwhile"),
    (Invalid, 422, "Invalid value"),
    (InvalidRows, 422, "Invalid rows"),
    (TooMany, 429, "Too many requests"),
    (Unavailable, 503, "Not available now"),
)
NOT_THERE: Final = "there is no such thing, or it is not yours to see"
RETRY_AFTER_S: Final = 2
DETAIL_MAX: Final = 1000
ROWS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field. `pointer` is a JSON pointer into the body, or the name of a query parameter."""

    pointer: str
    detail: str


class Problem(Exception):
    """A refusal, raised instead of a response. It becomes a problem document."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail[:DETAIL_MAX], errors
        self.headers = dict(headers or {})

    def response(self) -> ApiResponse:
        """The problem document, with the headers that its status calls for."""
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        headers = dict(self.headers)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="bridge"'
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        return ApiResponse(self.status, orjson.dumps(body), PROBLEM, headers)


def of(error: BridgeError, in_query: bool = False, lines: Sequence[int] | None = None) -> Problem:
    """The problem document for an error of the domain.

    `in_query` says that the field it names is a query parameter, not one of the body. `lines` are the line numbers of
    a bulk request's items where they came as a file.
    """
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            match error:
                case Invalid(field=field, reason=reason):
                    named = [FieldError(field if in_query else pointer(field), reason[:DETAIL_MAX])]
                    return Problem(status, title, str(error), named)
                case InvalidRows(rows=rows):
                    named = [row_error(lines, row, field, reason) for row, field, reason in rows[:ROWS_MAX]]
                    return Problem(status, title, str(error), named)
                case Conflict(field=str(field)):
                    return Problem(status, title, str(error), [FieldError(pointer(field), str(error))])
                case TooMany(retry_after_s=wait):
                    return Problem(status, title, str(error), headers={"Retry-After": str(wait)})
                case NotFound():
                    # The same words as for what belongs to another account: a key must not learn what exists there.
                    return Problem(status, title, NOT_THERE)
                case _:
                    return Problem(status, title, str(error) or (kind.__doc__ or title))
    return Problem(500, "Internal error", "the request could not be carried out; the log of the daemon tells more")


def row_error(lines: Sequence[int] | None, row: int, field: str, reason: str) -> FieldError:
    """An error in one item of a bulk request, counted from 0. Where items came as a file, it names the line."""
    detail = reason if lines is None or row >= len(lines) else f"line {lines[row]}: {reason}"
    return FieldError(pointer("items", row, *([field] if field else [])), detail[:DETAIL_MAX])


def pointer(*parts: int | str) -> str:
    """A JSON pointer (RFC 6901) out of its parts."""
    return "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in parts)
