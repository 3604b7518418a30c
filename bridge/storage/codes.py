"""Live passcodes as a set that stays prefix-free, whoever writes at the same time."""

from uuid import UUID, uuid4

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.passcode import Role
from bridge.domain.tenancy import Passcode
from bridge.storage import locks
from bridge.storage.tables import SHARED, passcode_lengths, passcodes
from bridge.usecases.ports import CodeSpace, CodeTaken, NewCode


async def space(connection: AsyncConnection) -> CodeSpace:
    """The live codes: how many, and the lengths there ever were."""
    rows = (await connection.execute(select(passcode_lengths).where(passcode_lengths.c.space == SHARED))).all()
    return CodeSpace(sum(row.live for row in rows), frozenset(row.length for row in rows))


async def add(connection: AsyncConnection, account_id: UUID, room_id: UUID, code: NewCode) -> Passcode:
    """A new live passcode. Raises CodeTaken when it or a beginning of it is live, or a live one may begin with it."""
    await locks.writing_codes(connection)
    longest = select(func.max(passcode_lengths.c.length)).where(passcode_lengths.c.space == SHARED)
    if code.length < ((await connection.execute(longest)).scalar() or 0):
        raise CodeTaken("longer passcodes are in use by now")
    live = select(passcodes.c.id).where(passcodes.c.state == "live", passcodes.c.digest.in_(code.prefixes))
    if (await connection.execute(live.limit(1))).first() is not None:
        raise CodeTaken("this passcode, or a beginning of it, is in use")
    values = {
        "id": uuid4(),
        "account_id": account_id,
        "room_id": room_id,
        "role": code.role.value,
        "digest": code.digest,
        "length": code.length,
        "sealed": code.sealed,
    }
    row = (await connection.execute(insert(passcodes).values(values).returning(passcodes))).one()
    return Passcode(row.id, row.room_id, Role(row.role), row.state, row.created_at, code.digits)
