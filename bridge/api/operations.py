"""The operation table: the single source of routes, validation, scopes and OpenAPI. Each subject adds its rows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bridge.api.services import Call
from bridge.domain.access import Scope

Handler = Callable[[Call], Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    `body` and `query` are validated before the handler sees them; path parameters are UUIDs. `answer` is None for 204.
    `refusals` are the statuses, beyond those that every operation has, it may answer with. `scope` is the narrowest
    that may ask; whose a path's parameter is, is looked up before the handler is called.
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
