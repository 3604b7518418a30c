"""What REST needs of the world to know who asks, what is theirs, what was answered before, and what was done."""

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
"""What an id is called wherever it stands in a path, a query or a body."""


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
        """Who asks with a key: None unless it is good now and its owner is not closed.

        The key of a suspended owner may only read. That it was used is written down, once a minute at most.
        """

    async def add(self, key: NewApiKey) -> ApiKey:
        """Raises NotFound (the owner), Conflict (the owner is closed)."""

    async def key(self, key_id: UUID) -> ApiKey:
        """Raises NotFound."""

    async def keys(self, owner: Owner, limit: int, after: UUID | None = None) -> list[ApiKey]:
        """Those of an account or sub-account, or all (of an owner without either), in order of creation."""

    async def revoke(self, key_id: UUID) -> ApiKey:
        """At once and for good; again is no error. Raises NotFound."""

    async def rotate(self, key_id: UUID, digest: bytes, hint: str, overlap: timedelta) -> ApiKey:
        """A new key in the place of one that is good for `overlap` more. Raises NotFound, Conflict (it is good no
        more)."""


class Ownership(Protocol):
    """To whom things belong. Raises Unavailable."""

    async def owners(self, kind: str, ids: Collection[UUID]) -> Mapping[UUID, Owner]:
        """The owners of those that there are, by one look-up. `kind` is one of OWNED."""


class RequestInProgress(Conflict):
    """A request with this Idempotency-Key is being carried out now: ask again in a moment."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What a request with an Idempotency-Key was answered. `request` is a digest of all that was asked."""

    request: bytes
    status: int
    answer: str


class IdempotencyStore(Protocol):
    """Answers to requests that bore an Idempotency-Key, for a day."""

    async def earlier(self, owner: str, key: str) -> StoredResponse | None:
        """What was answered already. From here to the end of the transaction nobody else answers that key of that
        owner. Raises RequestInProgress, Conflict (it cannot be told any more), Unavailable."""

    async def keep(self, owner: str, key: str, answer: StoredResponse) -> None:
        """Keep an answer, in the transaction that makes it true. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the audit log: who did what, to what, whose that is. `actor` is the id of a Principal."""

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
    """Which deeds are asked for. None asks for all; `since` and `until` bound [from, until)."""

    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    subject: str | None = None
    subject_id: UUID | None = None
    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog(Protocol):
    """Reading what was done."""

    async def entries(self, wanted: AuditFilter, limit: int, after: UUID | None = None) -> list[AuditEntry]:
        """In order of time. Raises Unavailable."""
