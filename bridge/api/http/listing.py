"""Pages of lists in order of creation, and the responses to bulk requests."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from bridge.api.http import paging
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Item, Page
from bridge.domain import notation
from bridge.usecases.provisioning import pacing
from bridge.usecases.provisioning.ports import Place


class Created(Protocol):
    """An item of such a list."""

    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


Found = TypeVar("Found", bound=Created)
Told = TypeVar("Told", bound=BaseModel)


class Made(Answer, Generic[Item]):
    """All items that a bulk request made, in its order."""

    items: list[Item]


async def page(
    request: ApiRequest,
    answer: type[Told],
    of: Callable[[Found], Told],
    find: Callable[[int, Place | None], Awaitable[Sequence[Found]]],
) -> BaseModel:
    """The page that the query asks for. `find` gets a number of items and the place before them. Raises Invalid."""
    limit = request.query.limit
    found = await find(limit + 1, paging.after_stay(request.query.cursor))
    items, cursor = paging.cut(found, limit, lambda one: f"{notation.rfc3339(one.created_at)}|{one.id}")
    return Page[answer](items=[of(one) for one in items], next_cursor=cursor)  # type: ignore[valid-type]


async def made(answer: type[Told], of: Callable[[Found], Told], found: Sequence[Found]) -> BaseModel:
    """The response to a bulk request, made with pauses, so that the event loop serves others meanwhile."""
    items = [of(one) async for one in pacing.with_pauses(found)]
    return Made[answer].model_construct(items=items)  # type: ignore[valid-type]
