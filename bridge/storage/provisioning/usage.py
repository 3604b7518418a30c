"""Checks additions to an account against its quotas, in the transaction that adds."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.quotas import Quota

_USAGE: Final = text(
    """
SELECT quota, used, CAST(to_jsonb(accounts) ->> ('max_' || quota) AS int) AS most
FROM account_usage JOIN accounts ON accounts.id = account_id
WHERE account_id = :account AND quota = ANY(CAST(:added AS text[]))
"""
)


async def check(connection: AsyncConnection, account_id: UUID, *added: Quota) -> None:
    """Check the quotas `added` of an account, after such things were inserted. Raises Conflict: roll back then.

    Whoever inserts them locks the account's counts until the transaction ends, so two additions cannot both pass.
    """
    asked = {"account": account_id, "added": [quota.value for quota in added]}
    for row in await connection.execute(_USAGE, asked):
        quotas.check(Quota(row.quota), row.most, row.used)
