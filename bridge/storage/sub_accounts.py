"""Sub-accounts, with their rooms and the live passcodes of these."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, NotFound
from bridge.domain.tenancy import Kind, Passcode, Room, SubAccount
from bridge.storage import accounts, codes
from bridge.storage.database import Database
from bridge.storage.failures import UNIQUE_VIOLATION, sqlstate
from bridge.storage.pages import page
from bridge.storage.passcodes import passcode_of
from bridge.storage.tables import passcodes, rooms, sub_accounts
from bridge.usecases.ports import NewCode


class SubAccounts:
    """The part of ports.Tenants that is about sub-accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_sub_account(
        self, account_id: UUID, user_id: str, name: str, kind: Kind, codes: Sequence[NewCode]
    ) -> SubAccount:
        """A sub-account with a room of its own name and those passcodes, all or nothing.

        Raises NotFound (the account), Conflict (the user id is taken), CodeTaken.
        """
        values = {"id": uuid4(), "account_id": account_id, "user_id": user_id, "name": name, "kind": kind.value}
        async with self._database.transaction() as connection:
            await accounts.found(connection, account_id)
            try:
                result = await connection.execute(insert(sub_accounts).values(values).returning(sub_accounts))
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise Conflict(f"user_id {user_id!r} is taken in this account") from error
            row = result.mappings().one()
            return _sub_account(row, [await _add_room(connection, row, codes)])

    async def sub_account(self, sub_account_id: UUID) -> SubAccount:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(sub_accounts).where(sub_accounts.c.id == sub_account_id))
            rows = result.mappings().all()
            if not rows:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            return (await _with_rooms(connection, rows))[0]

    async def sub_accounts(self, account_id: UUID, limit: int, after: UUID | None = None) -> list[SubAccount]:
        """Raises NotFound (the account)."""
        statement = select(sub_accounts).where(sub_accounts.c.account_id == account_id)
        async with self._database.snapshot() as connection:
            await accounts.found(connection, account_id)
            result = await connection.execute(page(statement, sub_accounts, limit, after))
            return await _with_rooms(connection, result.mappings().all())


async def _add_room(connection: AsyncConnection, owner: RowMapping, new: Sequence[NewCode]) -> Room:
    room_id = uuid4()
    values = {"id": room_id, "account_id": owner["account_id"], "sub_account_id": owner["id"], "name": owner["name"]}
    await connection.execute(insert(rooms).values(values))
    added = [await codes.add(connection, owner["account_id"], room_id, code) for code in new]
    return Room(room_id, owner["id"], owner["name"], tuple(added))


async def _with_rooms(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[SubAccount]:
    owned = await connection.execute(
        select(rooms)
        .where(rooms.c.sub_account_id.in_([row["id"] for row in rows]))
        .order_by(rooms.c.created_at, rooms.c.id)
    )
    room_rows = owned.mappings().all()
    live = await connection.execute(
        select(passcodes)
        .where(passcodes.c.room_id.in_([row["id"] for row in room_rows]), passcodes.c.state == "live")
        .order_by(passcodes.c.created_at, passcodes.c.id)
    )
    by_room: dict[UUID, list[Passcode]] = defaultdict(list)
    for row in live.mappings():
        by_room[row["room_id"]].append(passcode_of(row))
    by_owner: dict[UUID, list[Room]] = defaultdict(list)
    for row in room_rows:
        room = Room(row["id"], row["sub_account_id"], row["name"], tuple(by_room[row["id"]]))
        by_owner[room.sub_account_id].append(room)
    return [_sub_account(row, by_owner[row["id"]]) for row in rows]


def _sub_account(row: RowMapping, owned: Sequence[Room]) -> SubAccount:
    return SubAccount(
        row["id"],
        row["account_id"],
        row["user_id"],
        row["name"],
        Kind(row["kind"]),
        row["state"],
        row["created_at"],
        tuple(owned),
    )
