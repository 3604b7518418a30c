"""The operation table: the single source of routes, validation, scopes and OpenAPI. Each subject adds its rows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bridge.domain.access.principal import Scope
from bridge.usecases.services import Call

Handler = Callable[[Call], Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    `body` and `query` are validated before the handler sees them; path parameters are UUIDs. `answer` is None for 204.
    `refusals` are the statuses, beyond those that every operation has, it may answer with. `scope` is the narrowest
    that may ask; whose a path's parameter is, is looked up before the handler is called.

    What is `versioned` counts its changes in a field `version`. Where it is read or changed, the answer bears that
    number as ETag; a change is given the number in If-Match as `Call.expected`, and raises Stale when it is another.
    The body of a `bulk` operation has the one field `items`, a list of one model. It may come as text/csv as well, and
    is large; the handler does all of it or nothing, and raises InvalidRows to name the rows that are in the way.
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

    @property
    def changes(self) -> bool:
        """Whether it is carried out as one transaction, by keys that may do more than read."""
        return self.method != "GET"
