"""Renewal of passcodes: codes stored under a former key are stored under the present one."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from bridge.storage.postgres import locks
from bridge.storage.postgres.tables.provisioning import SHARED
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import RenewedCode, StaleCode

_STALE: Final = text(
    """
SELECT id, digest, sealed, pin_sealed, space FROM passcodes
WHERE state = 'live' AND (key_id < :key_id OR key_id > :key_id)
ORDER BY key_id, id LIMIT :limit
"""
)
# A code that was revoked or renewed since it was read has another state or digest: it is left alone.
_RENEW: Final = text(
    """
UPDATE passcodes SET key_id = :key_id, digest = new.digest, sealed = new.sealed, pin_digest = new.pin_digest,
    pin_sealed = new.pin_sealed
FROM unnest(CAST(:ids AS uuid[]), CAST(:former AS bytea[]), CAST(:digests AS bytea[]), CAST(:sealed AS bytea[]),
    CAST(:pin_digests AS bytea[]), CAST(:pins_sealed AS bytea[]))
    AS new(id, former, digest, sealed, pin_digest, pin_sealed)
WHERE passcodes.id = new.id AND passcodes.state = 'live' AND passcodes.digest = new.former
"""
)


class PostgresPasscodeRenewal(Repository):
    """Implements the renewal of keys of provisioning_ports.Tenants."""

    async def stale_codes(self, key_id: str, limit: int) -> list[StaleCode]:
        async with self._database.snapshot() as connection:
            rows = await connection.execute(_STALE, {"key_id": key_id, "limit": limit})
            return [
                StaleCode(
                    row.id,
                    None if row.space == SHARED else row.space,
                    bytes(row.digest),
                    bytes(row.sealed),
                    row.pin_sealed and bytes(row.pin_sealed),
                )
                for row in rows
            ]

    async def renew_codes(self, key_id: str, renewed: Sequence[RenewedCode]) -> int:
        given = {
            "key_id": key_id,
            "ids": [code.id for code in renewed],
            "former": [code.former for code in renewed],
            "digests": [code.digest for code in renewed],
            "sealed": [code.sealed for code in renewed],
            "pin_digests": [code.pin_digest for code in renewed],
            "pins_sealed": [code.pin_sealed for code in renewed],
        }
        async with self._database.transaction() as connection:
            for space in sorted({code.account_id or SHARED for code in renewed}):
                await locks.lock_code_space(connection, space)
            return (await connection.execute(_RENEW, given)).rowcount
