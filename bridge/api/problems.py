"""Errors as RFC 9457 problem documents. One table turns what the domain refuses into HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from bridge.domain.errors import BridgeError, Conflict, Invalid, NotFound, Unavailable

_STATUS: Final[tuple[tuple[type[BridgeError], int, str], ...]] = (
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (Invalid, 422, "Invalid value"),
    (Unavailable, 503, "Not available now"),
)
RETRY_AFTER_S: Final = 2
DETAIL_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `pointer` is a JSON pointer into the body, or the name of a query parameter."""

    pointer: str
    detail: str


class Problem(Exception):
    """An answer other than success."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail[:DETAIL_MAX], errors

    def response(self) -> web.Response:
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="bridge"'
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        return web.Response(
            status=self.status, body=orjson.dumps(body), content_type="application/problem+json", headers=headers
        )


def of(error: BridgeError, in_query: bool = False) -> Problem:
    """The problem that a refusal of the domain is. `in_query` tells where a field it names was sent."""
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            if isinstance(error, Invalid):
                pointer = error.field if in_query else f"/{error.field}"
                return Problem(status, title, str(error), [FieldError(pointer, error.reason[:DETAIL_MAX])])
            return Problem(status, title, str(error))
    return Problem(500, "Internal error", "the request could not be carried out; the log of the daemon tells more")
