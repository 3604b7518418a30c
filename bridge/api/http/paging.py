"""Lists in pages: `?limit=&cursor=` gives items and the cursor of the next page. Clients must not read cursors."""

import base64
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

from pydantic import Field

from bridge.api.http.wire import Query
from bridge.domain.errors import Invalid

Found = TypeVar("Found")
LIMIT_MAX: Final = 500


class Paged(Query):
    """The query of every list."""

    limit: int = Field(100, ge=1, le=LIMIT_MAX, description="Most items of the page.")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the page before.")


def after_id(cursor: str | None) -> UUID | None:
    """The id after which the page begins. Raises Invalid."""
    return None if cursor is None else _uuid(_opened(cursor))


def after_stay(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The time and id after which the page begins. Raises Invalid."""
    if cursor is None:
        return None
    at, _, stay_id = _opened(cursor).partition("|")
    try:
        joined_at = datetime.fromisoformat(at)
    except ValueError:
        raise _malformed() from None
    if joined_at.tzinfo is not UTC:
        raise _malformed()
    return joined_at, _uuid(stay_id)


def cut(found: Sequence[Found], limit: int, key: Callable[[Found], str]) -> tuple[Sequence[Found], str | None]:
    """The page out of up to `limit` + 1 items, and the cursor of the next page, None after the last."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode().rstrip("=")


def slice_of(items: Iterable[Found], query: Paged, key: Callable[[Found], str]) -> tuple[Sequence[Found], str | None]:
    """Cut a page out of a whole list, in the order of its keys, and return it with the next cursor. Raises Invalid."""
    after = "" if query.cursor is None else _opened(query.cursor)
    return cut(sorted((item for item in items if key(item) > after), key=key), query.limit, key)


def _opened(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        raise _malformed() from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _malformed() from None


def _malformed() -> Invalid:
    return Invalid("cursor", "give the next_cursor of an earlier answer, unchanged")
