"""Passcodes of rooms."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.engine import RowMapping

from bridge.domain.errors import NotFound
from bridge.domain.passcode import Role
from bridge.domain.tenancy import Passcode
from bridge.storage import codes, locks
from bridge.storage.database import Database
from bridge.storage.pages import page
from bridge.storage.tables import passcodes, rooms
from bridge.usecases.ports import CodeSpace, NewCode


class Passcodes:
    """The part of ports.Tenants that is about passcodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def code_space(self) -> CodeSpace:
        async with self._database.transaction() as connection:
            return await codes.space(connection)

    async def add_passcode(self, room_id: UUID, code: NewCode) -> Passcode:
        async with self._database.transaction() as connection:
            account_id = (
                await connection.execute(select(rooms.c.account_id).where(rooms.c.id == room_id))
            ).scalar_one_or_none()
            if account_id is None:
                raise NotFound(f"there is no room {room_id}")
            return await codes.add(connection, account_id, room_id, code)

    async def passcode(self, passcode_id: UUID) -> Passcode:
        return passcode_of(await self._row(passcode_id))

    async def passcodes(self, room_id: UUID, limit: int, after: UUID | None = None) -> list[Passcode]:
        """All of a room, revoked ones too. Raises NotFound (the room)."""
        statement = page(select(passcodes).where(passcodes.c.room_id == room_id), passcodes, limit, after)
        async with self._database.transaction() as connection:
            if (await connection.execute(select(rooms.c.id).where(rooms.c.id == room_id))).first() is None:
                raise NotFound(f"there is no room {room_id}")
            return [passcode_of(row) for row in (await connection.execute(statement)).mappings()]

    async def sealed(self, passcode_id: UUID) -> bytes:
        """What a live passcode can be shown from. Raises NotFound for a revoked one too."""
        row = await self._row(passcode_id)
        if row["state"] != "live":
            raise NotFound(f"passcode {passcode_id} has been revoked")
        return bytes(row["sealed"])

    async def revoke_passcode(self, passcode_id: UUID) -> Passcode:
        """The passcode, revoked now or before."""
        live = (passcodes.c.id == passcode_id) & (passcodes.c.state == "live")
        async with self._database.transaction() as connection:
            await locks.writing_codes(connection)
            await connection.execute(
                update(passcodes).where(live).values(state="revoked", revoked_at=func.clock_timestamp())
            )
        return await self.passcode(passcode_id)

    async def _row(self, passcode_id: UUID) -> RowMapping:
        async with self._database.transaction() as connection:
            result = await connection.execute(select(passcodes).where(passcodes.c.id == passcode_id))
            row = result.mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no passcode {passcode_id}")
        return row


def passcode_of(row: RowMapping) -> Passcode:
    """A passcode without its digits."""
    return Passcode(row["id"], row["room_id"], Role(row["role"]), row["state"], row["created_at"])
