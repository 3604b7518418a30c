"""Errors as RFC 9457 problem documents. One table turns what the domain refuses into HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.api.http.response import PROBLEM, Answered
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
    """What is wrong with one field; `pointer` is a JSON pointer into the body, or the name of a query parameter."""

    pointer: str
    detail: str


class Problem(Exception):
    """An answer other than success."""

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

    def answered(self) -> Answered:
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        headers = dict(self.headers)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="bridge"'
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        return Answered(self.status, orjson.dumps(body).decode(), PROBLEM, headers)


def of(error: BridgeError, in_query: bool = False, lines: Sequence[int] | None = None) -> Problem:
    """The problem that a refusal of the domain is.

    `in_query` tells where a field it names was sent; `lines` are those of the file that a bulk request's items came
    from.
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
                    # Nothing of what was asked for, so that this is told in the same words of what is another's.
                    return Problem(status, title, NOT_THERE)
                case _:
                    return Problem(status, title, str(error) or (kind.__doc__ or title))
    return Problem(500, "Internal error", "the request could not be carried out; the log of the daemon tells more")


def row_error(lines: Sequence[int] | None, row: int, field: str, reason: str) -> FieldError:
    """What is wrong with an item of a bulk request, counted from 0. Where it came from a file, its line is told."""
    detail = reason if lines is None or row >= len(lines) else f"line {lines[row]}: {reason}"
    return FieldError(pointer("items", row, *([field] if field else [])), detail[:DETAIL_MAX])


def pointer(*parts: int | str) -> str:
    """RFC 6901."""
    return "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in parts)
