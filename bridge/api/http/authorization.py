"""Checks that every id in a request belongs to the principal's account or sub-account.

An id that does not exist and one that belongs to another get the same response after the same work. So a key cannot
find out what exists elsewhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from bridge.api.http.problems import NOT_THERE
from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.errors import InvalidRows, NotFound
from bridge.usecases.access.ports import OWNED, Ownership
from bridge.usecases.provisioning import pacing

OPEN_BELOW: Final = frozenset({"access_number_id", "project_code_id"})
"""Things that keys below their owner may read too: shared access numbers, and project codes of the whole account."""


async def check_path(ownership: Ownership, principal: Principal, ids: Mapping[str, UUID], *, change: bool) -> None:
    """Check every id of a path. Raises NotFound."""
    allowed = True
    for kind, named in ids.items():
        if kind in OWNED:
            owner = (await ownership.owners(kind, [named])).get(named)
            below = kind in OPEN_BELOW and not change
            # All ids are looked up even after one is refused: the time taken must not tell which one it was.
            allowed = owner is not None and (principal.reads(owner) if below else principal.sees(owner)) and allowed
    if not allowed:
        raise NotFound(NOT_THERE)


async def check_query(ownership: Ownership, principal: Principal, query: BaseModel | None) -> None:
    """Check every id of a query. A sub-account's key may name its account as well. Raises NotFound."""
    if principal.scope is Scope.OPERATOR or query is None:
        return
    for kind, named in _ids(query):
        owner = (await ownership.owners(kind, [named])).get(named)
        if owner is None or not (principal.sees(owner) or owner == Owner(principal.account_id)):
            raise NotFound(NOT_THERE)


async def check_body(ownership: Ownership, principal: Principal, body: BaseModel | None) -> None:
    """Check every id of a body. A sub-account's key may name its account only beside itself.

    Raises NotFound, and InvalidRows for ids of a bulk request's items.
    """
    if principal.scope is Scope.OPERATOR or body is None:
        return
    items = [each for each in getattr(body, "items", None) or () if isinstance(each, BaseModel)]
    named = [(-1, body, *pair) for pair in _ids(body)]
    named += [(row, item, *pair) async for row, item in pacing.with_pauses(enumerate(items)) for pair in _ids(item)]
    owners = await _owners(ownership, ((kind, one) for _, _, kind, one in named))
    bad = [(row, kind) for row, model, kind, one in named if not _is_allowed(principal, owners.get((kind, one)), model)]
    if any(row < 0 for row, _ in bad):
        raise NotFound(NOT_THERE)
    if bad:
        raise InvalidRows([(row, kind, NOT_THERE) for row, kind in bad])


async def _owners(ownership: Ownership, named: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], Owner]:
    by_kind: dict[str, set[UUID]] = defaultdict(set)
    for kind, one in named:
        by_kind[kind].add(one)
    return {
        (kind, one): owner
        for kind, ids in by_kind.items()
        for one, owner in (await ownership.owners(kind, ids)).items()
    }


def _is_allowed(principal: Principal, owner: Owner | None, model: BaseModel) -> bool:
    if owner is None:
        return False
    own_id = principal.sub_account_id
    beside = own_id is not None and getattr(model, "sub_account_id", None) == own_id
    return principal.sees(owner) or (beside and owner == Owner(principal.account_id))


def _ids(model: BaseModel) -> list[tuple[str, UUID]]:
    given: dict[str, Any] = {name: getattr(model, name) for name in type(model).model_fields if name in OWNED}
    return [(kind, one) for kind, one in given.items() if isinstance(one, UUID)]
