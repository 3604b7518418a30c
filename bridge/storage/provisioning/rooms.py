"""Rooms of sub-accounts, each with its first live passcodes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import FromClause, Select, Table, Uuid, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.changes import RoomChanges, RoomFields, given
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.provisioning.tenants import Passcode, Room, State
from bridge.storage.access import audit_log
from bridge.storage.postgres import bulk, row_versions
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.provisioning import passcodes, rooms, sub_accounts
from bridge.storage.provisioning import code_space, events, usage
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import CodeSpace, CodeTaken, NewCode, Place

ROOM: Final = ("sub_account_id", "name", "created_at", "state", "max_participants", "version")
SHOWN: Final = 50
"""At most so many rooms are shown with their sub-account, and live passcodes with their room. Lists show all."""


class PostgresRooms(Repository):
    """Implements the rooms of provisioning_ports.Tenants."""

    async def add_room(
        self, sub_account_id: UUID, fields: RoomFields, seen: CodeSpace, codes_of_it: Sequence[NewCode]
    ) -> Room:
        """Raises NotFound, Conflict (the sub-account is closed, or a quota is used up), CodeTaken."""
        owner_of = select(sub_accounts.c.account_id, sub_accounts.c.state).where(sub_accounts.c.id == sub_account_id)
        async with self._database.same_transaction() as connection:
            if taken := await code_space.lock_and_find_taken(connection, seen, codes_of_it):
                raise CodeTaken(taken)
            owner = (await connection.execute(owner_of)).one_or_none()
            if owner is None:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            if owner.state == State.CLOSED:
                raise Conflict("the sub-account is closed")
            values = {"id": uuid4(), "account_id": owner.account_id, "sub_account_id": sub_account_id, **given(fields)}
            [row] = await bulk.inserted(connection, rooms, [values], *ROOM)
            placed = [(row["id"], code) for code in codes_of_it]
            added = await code_space.insert(connection, seen, owner.account_id, placed)
            await usage.check(connection, owner.account_id, Quota.ROOMS, Quota.PASSCODES)
            await audit_log.note(
                connection, "room.created", "room", row["id"], Owner(owner.account_id, sub_account_id),
                {"passcodes": [str(one.id) for one in added]},
            )  # fmt: skip
            await events.passcodes_created(connection, owner.account_id, sub_account_id, added)
            return room_of(row, added)

    async def room(self, room_id: UUID) -> Room:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(rooms).where(rooms.c.id == room_id))
            row = result.mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no room {room_id}")
            return (await _with_codes(connection, [row]))[0]

    async def rooms(self, sub_account_id: UUID, limit: int, after: Place | None = None) -> list[Room]:
        """Raises NotFound (the sub-account)."""
        there = select(sub_accounts.c.id).where(sub_accounts.c.id == sub_account_id)
        statement = select(rooms).where(rooms.c.sub_account_id == sub_account_id)
        async with self._database.snapshot() as connection:
            if (await connection.execute(there)).first() is None:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            result = await connection.execute(page(statement, rooms, limit, after))
            return await _with_codes(connection, result.mappings().all())

    async def change_room(self, room_id: UUID, wanted: RoomChanges, expected: int | None = None) -> Room:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            closing = changes.get("state") == State.CLOSED
            if closing:
                account_of = select(rooms.c.account_id).where(rooms.c.id == room_id)
                account_id = (await connection.execute(account_of)).scalar()
                if account_id is None:
                    raise NotFound(f"there is no room {room_id}")
                await code_space.lock_space_of(connection, account_id)
            row = await row_versions.locked(connection, rooms, room_id, expected, "room")
            changes = row_versions.differing(row, changes)
            if changes:
                if row["state"] == State.CLOSED:
                    raise Conflict("the room is closed, for good")
                row = await row_versions.updated(connection, rooms, room_id, changes)
                if closing:
                    revoked = await code_space.revoke(connection, passcodes.c.room_id == room_id)
                    await events.passcodes_revoked(connection, row["account_id"], row["sub_account_id"], revoked)
                detail, owner = row_versions.audit_detail(changes), Owner(row["account_id"], row["sub_account_id"])
                await audit_log.note(connection, "room.changed", "room", room_id, owner, detail)
            return (await _with_codes(connection, [row]))[0]


async def of_sub_accounts(connection: AsyncConnection, owners: Sequence[UUID]) -> Mapping[UUID, list[Room]]:
    """Read the first SHOWN rooms of each of these sub-accounts, with their first live passcodes."""
    found = (await connection.execute(_ROOMS, {"ids": list(owners)})).mappings().all()
    by_owner: dict[UUID, list[Room]] = defaultdict(list)
    for room in await _with_codes(connection, found):
        by_owner[room.sub_account_id].append(room)
    return by_owner


async def _with_codes(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Room]:
    by_room: dict[UUID, list[Passcode]] = defaultdict(list)
    for row in (await connection.execute(_CODES, {"ids": [row["id"] for row in rows]})).mappings():
        by_room[row["room_id"]].append(code_space.passcode_of(row))
    return [room_of(row, by_room[row["id"]]) for row in rows]


def room_of(row: Mapping[Any, Any], added: Sequence[Passcode]) -> Room:
    return Room(
        id=row["id"],
        sub_account_id=row["sub_account_id"],
        name=row["name"],
        created_at=row["created_at"],
        passcodes=tuple(added),
        state=row["state"],
        max_participants=row["max_participants"],
        version=row["version"],
    )


def _first(table: Table, of: str, *conditions: Any) -> Select[Any]:
    """Select the first SHOWN rows of each of the owners :ids. A lateral join reads no more rows than that."""
    owners = func.unnest(bindparam("ids", type_=ARRAY(Uuid))).table_valued("id").render_derived("owners")
    ordered = table.c.created_at, table.c.id
    first: FromClause = (
        select(table).where(table.c[of] == owners.c.id, *conditions).order_by(*ordered).limit(SHOWN).lateral("first")
    )
    return select(first).select_from(owners).join(first, onclause=true())


_ROOMS: Final = _first(rooms, "sub_account_id")
_CODES: Final = _first(passcodes, "room_id", passcodes.c.state == "live")
