"""Blocks of callers, and lifting them with an entry in the audit log."""

from collections.abc import Sequence
from uuid import UUID

from bridge.domain.access.principal import Owner
from bridge.domain.admission.throttles import ActiveThrottle
from bridge.storage.access import audit_log
from bridge.storage.postgres.database import Database
from bridge.usecases.admission.guard_entry import Guard


class AuditedBlocks:
    """Implements admission_ports.Blocks.

    `lift` raises Unavailable if Postgres is away: no lift without an audit entry.
    """

    def __init__(self, guard: Guard, database: Database) -> None:
        self._guard = guard
        self._database = database

    def active(self) -> Sequence[ActiveThrottle]:
        return self._guard.active()

    async def lift(self, block_id: UUID) -> None:
        async with self._database.transaction() as connection:
            key = self._guard.lift(block_id)
            about = {"kind": key.kind.value, "value": key.value}
            await audit_log.note(connection, "block.lifted", "block", block_id, Owner(), about)
