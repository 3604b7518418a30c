"""Buckets that entries wait for, and filling them by hand with an entry in the audit log."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.admission.bucket import BucketKey
from bridge.domain.admission.slots import ShortBucket
from bridge.storage.access import audit_log
from bridge.storage.postgres.database import Database
from bridge.usecases.admission.guard_entry import Guard


class AuditedBlocks:
    """Implements admission_ports.Blocks.

    `lift` and `lift_caller` raise Unavailable if Postgres is away: no lift without an audit entry.
    """

    def __init__(self, guard: Guard, database: Database) -> None:
        self._guard = guard
        self._database = database

    def short(self) -> Sequence[ShortBucket]:
        return self._guard.short()

    async def lift(self, block_id: UUID) -> None:
        async with self._database.transaction() as connection:
            await _noted(connection, self._guard.lift(block_id))

    async def lift_caller(self, caller: str) -> None:
        async with self._database.transaction() as connection:
            await _noted(connection, self._guard.lift_caller(caller))


async def _noted(connection: AsyncConnection, key: BucketKey) -> None:
    about = {"kind": key.kind.value, "value": key.value}
    await audit_log.note(connection, "block.lifted", "block", key.id, Owner(), about)
