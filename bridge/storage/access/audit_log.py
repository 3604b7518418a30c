"""The audit log: who changed what, and who saw a secret. Entries are written in the transaction of the change."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import CLI, Owner, Principal
from bridge.storage.postgres import bulk
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.access import audit_log
from bridge.usecases.access.ports import AuditEntry, AuditFilter


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal that acts, and where it acts from: an IP address, or a user name of the operating system."""

    principal: Principal
    remote: str


_ACTOR: ContextVar[Actor | None] = ContextVar("actor", default=None)
_DEFAULT_ACTOR: Final = Actor(CLI, "")


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Name the actor of every audit entry that this task writes within the block."""
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)


async def note(
    connection: AsyncConnection,
    action: str,
    subject: str,
    subject_id: UUID | None,
    owner: Owner,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry in this transaction: an action such as `passcode.revoked` on a subject such as `passcode`.

    `detail` is kept as JSON; no secret belongs there.
    """
    await notes(connection, action, subject, [(subject_id, owner, dict(detail or {}))])


async def notes(
    connection: AsyncConnection,
    action: str,
    subject: str,
    done: Sequence[tuple[UUID | None, Owner, Mapping[str, Any]]],
) -> None:
    """Write one entry for each subject: (id, owner, detail)."""
    await bulk.inserted(connection, audit_log, noted(action, subject, done))


def noted(
    action: str, subject: str, done: Sequence[tuple[UUID | None, Owner, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows of such entries, without writing them."""
    actor = _ACTOR.get() or _DEFAULT_ACTOR
    return [
        {
            "id": uuid4(),
            "actor": actor.principal.id,
            "scope": actor.principal.scope.value,
            "remote": actor.remote,
            "action": action,
            "subject": subject,
            "subject_id": subject_id,
            "account_id": owner.account_id,
            "sub_account_id": owner.sub_account_id,
            "detail": dict(detail),
        }
        for subject_id, owner, detail in done
    ]


class PostgresAuditLog:
    """Implements access_ports.AuditLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(self, wanted: AuditFilter, limit: int, after: UUID | None = None) -> list[AuditEntry]:
        at = audit_log.c
        statement = select(audit_log)
        for name in ("account_id", "sub_account_id", "subject", "subject_id", "action", "actor"):
            value = getattr(wanted, name)
            if value is not None:
                statement = statement.where(at[name] == value)
        if wanted.since is not None:
            statement = statement.where(at.created_at >= wanted.since)
        if wanted.until is not None:
            statement = statement.where(at.created_at < wanted.until)
        async with self._database.transaction() as connection:
            found = await connection.execute(page(statement, audit_log, limit, after))
            return [AuditEntry(**row) for row in found.mappings()]
