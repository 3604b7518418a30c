"""Live passcodes of lengths that hold more of them than they may."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import text

from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import ShortPasscode
from bridge.storage.provisioning import code_space
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import CodeSpace

_SHORT: Final = text(
    """
SELECT passcodes.id, accounts.name AS account, sub_accounts.user_id, passcodes.role, passcodes.label, passcodes.length,
    passcodes.valid_until,
    EXISTS (SELECT FROM passcodes AS new WHERE new.replaces = passcodes.id AND new.state = 'live') AS replaced
FROM passcodes
JOIN accounts ON accounts.id = passcodes.account_id
JOIN rooms ON rooms.id = passcodes.room_id
JOIN sub_accounts ON sub_accounts.id = rooms.sub_account_id
WHERE passcodes.state = 'live' AND passcodes.space = :space AND passcodes.length = ANY(:lengths)
    AND (CAST(:account_id AS uuid) IS NULL OR passcodes.account_id = :account_id)
    AND (CAST(:after AS uuid) IS NULL OR passcodes.id > :after)
ORDER BY passcodes.id LIMIT :limit
"""
)


class PostgresShortPasscodes(Repository):
    """Implements the short passcodes of provisioning_ports.Tenants."""

    async def code_spaces(self) -> list[CodeSpace]:
        async with self._database.snapshot() as connection:
            return await code_space.spaces(connection, self._lengths)

    async def short_passcodes(
        self, space: CodeSpace, lengths: Collection[int], account_id: UUID | None, limit: int, after: UUID | None = None
    ) -> list[ShortPasscode]:
        asked = {
            "space": code_space.space_id(space),
            "lengths": list(lengths),
            "account_id": account_id,
            "after": after,
            "limit": limit,
        }
        async with self._database.snapshot() as connection:
            rows = await connection.execute(_SHORT, asked)
            return [ShortPasscode(**{**row, "role": Role(row["role"])}) for row in rows.mappings()]
