"""Ports of access: API keys, ownership, stored responses and the audit log."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from bridge.domain.access.api_key import ApiKey
from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.errors import Conflict

OWNED: Final = frozenset(
    {
        "account_id",
        "sub_account_id",
        "room_id",
        "passcode_id",
        "access_number_id",
        "project_code_id",
        "known_caller_id",
        "key_id",
        "webhook_id",
        "delivery_id",
    }
)
"""Names of ids wherever they stand in a path, a query or a body."""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key on its way into storage."""

    scope: Scope
    owner: Owner
    name: str
    read_only: bool
    digest: bytes
    hint: str
    expires_at: datetime | None = None


class ApiKeys(Protocol):
    """The keys of REST. Every method raises Unavailable when Postgres is away."""

    async def principal(self, digest: bytes) -> Principal | None:
        """Return the principal of a key, None unless the key is valid now and its owner is not closed.

        The key of a suspended owner may only read. The time of use is noted, once a minute at most.
        """

    async def add(self, key: NewApiKey) -> ApiKey:
        """Raises NotFound (the owner), Conflict (the owner is closed)."""

    async def key(self, key_id: UUID) -> ApiKey:
        """Raises NotFound."""

    async def keys(self, owner: Owner, limit: int, after: UUID | None = None) -> list[ApiKey]:
        """List the keys of an account or sub-account, or all (an owner without either), in order of creation."""

    async def revoke(self, key_id: UUID) -> ApiKey:
        """Revoke a key at once and for good. A second time does nothing. Raises NotFound."""

    async def rotate(self, key_id: UUID, digest: bytes, hint: str, overlap: timedelta) -> ApiKey:
        """Create a key in the place of another, which stays valid for `overlap`.

        Raises NotFound, Conflict (the other is not valid any more).
        """


class Ownership(Protocol):
    """Owners of ids. Raises Unavailable."""

    async def owners(self, kind: str, ids: Collection[UUID]) -> Mapping[UUID, Owner]:
        """Look up the owners of ids, leaving out ids that do not exist. `kind` is one of OWNED."""


class RequestInProgress(Conflict):
    """A request with this Idempotency-Key is running now: ask again in a moment."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a request with an Idempotency-Key. `request` is a digest of the whole request."""

    request: bytes
    status: int
    answer: str


class IdempotencyStore(Protocol):
    """Responses to requests with an Idempotency-Key, kept for a day."""

    async def earlier(self, owner: str, key: str) -> StoredResponse | None:
        """Return the stored response, and lock the key of that owner until the transaction ends.

        Raises RequestInProgress, Conflict (the response can't be unsealed any more), Unavailable.
        """

    async def keep(self, owner: str, key: str, answer: StoredResponse) -> None:
        """Store a response, in the transaction of the change it reports. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log: an actor (the id of a Principal), an action, its subject, and the subject's owner."""

    id: UUID
    created_at: datetime
    actor: str
    scope: str
    remote: str
    action: str
    subject: str
    subject_id: UUID | None
    account_id: UUID | None
    sub_account_id: UUID | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of audit entries. None in a field matches all; `since` and `until` bound [since, until)."""

    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    subject: str | None = None
    subject_id: UUID | None = None
    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog(Protocol):
    """The audit log, for reading."""

    async def entries(self, wanted: AuditFilter, limit: int, after: UUID | None = None) -> list[AuditEntry]:
        """List entries in order of time. Raises Unavailable."""
