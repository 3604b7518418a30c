"""One node on a database: until rooms have leases, a second one must not admit callers.

The node in charge holds an advisory lock for as long as its connection lives, and its name is the connection's.
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
    """The name of a node's own connection."""
    return _PREFIX + node


class NodeClaim:
    """Whether this node is the one in charge. `refusal` says why not; a node that can't ask stays what it was."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._holding: object = None
        self.refusal: str | None = None

    async def claim(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Take charge, on a connection named by `application`, unless another node has it."""
        if self._holding is connection:
            return
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", locks.NODE):
            self._holding, self.refusal = connection, None
            return
        holder = str(await connection.fetchval(_HOLDER, locks.NODE) or "").removeprefix(_PREFIX)
        # Our own former connection may take a moment to be noticed as dead.
        if holder != self._node:
            self.refusal = (
                f"node {holder or 'unknown'} serves callers on this database; "
                f"node {self._node} must not, until it has gone: rooms can't be on two nodes yet"
            )
