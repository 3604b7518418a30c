"""Reads from the ledger who is in a room, by owner, room or passcode."""

from collections.abc import Set
from uuid import UUID

from sqlalchemy import select

from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import open_stays


class PostgresPresentParticipants:
    """Implements ports.PresentParticipants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def inside(
        self,
        node: str,
        *,
        account_id: UUID | None,
        sub_account_id: UUID | None,
        room_id: UUID | None,
        passcode_id: UUID | None,
    ) -> Set[str]:
        at = open_stays.c
        exact = (
            (at.account_id, account_id),
            (at.sub_account_id, sub_account_id),
            (at.room_id, room_id),
            (at.passcode_id, passcode_id),
        )
        asked = [column == value for column, value in exact if value is not None]
        statement = select(at.uniqueid).where(at.node == node, at.left_at.is_(None), *asked)
        async with self._database.transaction() as connection:
            return set((await connection.execute(statement)).scalars())
