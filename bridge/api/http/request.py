"""A validated request, as handlers get it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bridge.api.http.media_types import JSON
from bridge.domain.access.principal import Owner, Principal
from bridge.domain.errors import Invalid
from bridge.usecases.services import Services


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One validated request: `ids` are the path's parameters, `body` and `query` the operation's models.

    `media_type` is the one of the operation's `produces` that the client likes best. `expected` is the version that
    If-Match names, None without it. A handler appends to `afterwards` what has to happen once its change is
    committed and this node knows the change.
    """

    services: Services
    principal: Principal
    ids: Mapping[str, UUID]
    body: Any
    query: Any
    media_type: str = JSON
    expected: int | None = None
    afterwards: list[Callable[[], Awaitable[object]]] = field(default_factory=list)

    @property
    def account_id(self) -> UUID:
        """The account that the query names, or that of the key. Raises Invalid when there is neither."""
        account_id = self.principal.confined(Owner(self.query.account_id)).account_id
        if account_id is None:
            raise Invalid("account_id", "name an account")
        return account_id
