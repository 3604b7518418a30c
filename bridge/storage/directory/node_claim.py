"""The claim of one node on the database. Until rooms have leases, a second node must not admit callers.

The node that serves holds an advisory lock for as long as its connection lives. The connection bears the node's name,
so that another node can say who holds the lock.
"""

from typing import Final

import asyncpg

from bridge.storage.postgres import locks

_PREFIX: Final = "bridge node "
_HOLDER: Final = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = $1
"""


def application(node: str) -> str:
    """Return the application name of a node's connection."""
    return _PREFIX + node


class NodeClaim:
    """The state of this node's claim. `refusal` says why this node must not admit callers, None if it may.

    While Postgres is away, the state stays as it was.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._holding: object = None
        self.refusal: str | None = None

    async def claim(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Try to take the lock on a connection named by `application`. If another node has it, set `refusal`."""
        if self._holding is connection:
            return
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", locks.NODE):
            self._holding, self.refusal = connection, None
            return
        holder = str(await connection.fetchval(_HOLDER, locks.NODE) or "").removeprefix(_PREFIX)
        # A former connection of this node may hold the lock until Postgres notices that it is dead.
        if holder != self._node:
            self.refusal = (
                f"node {holder or 'unknown'} serves callers on this database; "
                f"node {self._node} must not, until it has gone: rooms can't be on two nodes yet"
            )
