"""The row type of the operation table, the single source of routes, validation, scopes and OpenAPI."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bridge.api.http.content import Returned
from bridge.api.http.media_types import JSON
from bridge.api.http.request import ApiRequest
from bridge.domain.access.principal import Scope

Handler = Callable[[ApiRequest], Awaitable[Returned]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    `body` and `query` are validated before the handler sees them; path parameters are UUIDs. `answer` is the model of
    the JSON response, None where there is none. `produces` are the media types of the response. Where there are
    several, the Accept header chooses, and the first is the default.

    `refusals` are the error statuses of this operation beyond those that every operation has. `scope` is the narrowest
    scope of a key that may call it; the owners of the ids in the path are checked before the handler is called.

    A `versioned` resource counts its changes in a field `version`. A response with the resource bears that number as
    ETag. A change gets the number in If-Match as `ApiRequest.expected`; the handler raises Stale when it is another.

    The body of a `bulk` operation has the one field `items`, a list of one model. It may be sent as text/csv too, and
    may be large. The handler carries out all items or none, and raises InvalidRows to name those that are in the way.
    """

    name: str
    method: str
    path: str
    summary: str
    handler: Handler
    answer: Any = None
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    refusals: tuple[int, ...] = ()
    scope: Scope = Scope.OPERATOR
    versioned: bool = False
    bulk: bool = False
    produces: tuple[str, ...] = (JSON,)

    def __post_init__(self) -> None:
        if self.changes and self.produces != (JSON,):
            # The idempotency store keeps text, and a stream could fail after its change was committed.
            raise ValueError(f"{self.name} changes something: it can produce JSON alone")
        if self.versioned and len(self.produces) != 1:
            # The ETag is the version alone: it would be the same for different bodies.
            raise ValueError(f"{self.name} is versioned: it can produce one media type alone")

    @property
    def changes(self) -> bool:
        """Return True if it changes something: it is then one transaction, and read-only keys may not call it."""
        return self.method != "GET"
