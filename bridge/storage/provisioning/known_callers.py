"""Callers that sub-accounts know by name. A former name stays as a row of its own, with the time it was valid."""

from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, Invalid, NotFound
from bridge.domain.provisioning.changes import KnownCallerChanges, given
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.provisioning.tenants import KnownCaller
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.row_versions import Columns
from bridge.storage.postgres.tables.provisioning import known_callers, rooms, sub_accounts
from bridge.storage.provisioning import usage
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import Place


class PostgresKnownCallers(Repository):
    """Implements the known callers of provisioning_ports.Tenants."""

    async def add_known_caller(
        self,
        sub_account_id: UUID,
        number: str,
        name: str,
        room_id: UUID | None,
        skips_code: bool,
        forms: Collection[str] = (),
    ) -> KnownCaller:
        account_of = select(sub_accounts.c.account_id).where(sub_accounts.c.id == sub_account_id)
        async with self._database.transaction() as connection:
            account_id = (await connection.execute(account_of)).scalar()
            if account_id is None:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            values = {
                "id": uuid4(),
                "account_id": account_id,
                "sub_account_id": sub_account_id,
                "room_id": await _room(connection, sub_account_id, room_id),
                "number": number,
                "name": name,
                "skips_code": skips_code,
            }
            at = known_callers.c
            same = select(at.id).where(
                at.sub_account_id == sub_account_id, at.number.in_(forms), at.removed_at.is_(None)
            )
            if (await connection.execute(same)).first() is not None:
                raise _known_already()
            try:
                result = await connection.execute(insert(known_callers).values(values).returning(known_callers))
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise _known_already() from error
            made = _known_caller(result.mappings().one())
            await usage.check(connection, account_id, Quota.KNOWN_CALLERS)
            await _note(connection, "created", made, {"skips_code": skips_code})
            return made

    async def known_caller(self, known_caller_id: UUID) -> KnownCaller:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(known_callers).where(known_callers.c.id == known_caller_id))
            row = result.mappings().one_or_none()
        return _known_caller(_present(row, known_caller_id))

    async def known_callers(self, sub_account_id: UUID, limit: int, after: Place | None = None) -> list[KnownCaller]:
        at = known_callers.c
        there = select(sub_accounts.c.id).where(sub_accounts.c.id == sub_account_id)
        statement = select(known_callers).where(at.sub_account_id == sub_account_id, at.removed_at.is_(None))
        async with self._database.snapshot() as connection:
            if (await connection.execute(there)).first() is None:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            result = await connection.execute(page(statement, known_callers, limit, after))
            return [_known_caller(row) for row in result.mappings()]

    async def change_known_caller(
        self, known_caller_id: UUID, wanted: KnownCallerChanges, expected: int | None = None
    ) -> KnownCaller:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            row = await row_versions.locked(connection, known_callers, known_caller_id, expected, "known caller")
            changes = row_versions.differing(_present(row, known_caller_id), changes)
            if "room_id" in changes:
                await _room(connection, row["sub_account_id"], changes["room_id"])
            if changes:
                former = row
                since: Columns = {}
                if "name" in changes:
                    since = {"created_at": func.clock_timestamp()}
                row = await row_versions.updated(connection, known_callers, known_caller_id, {**changes, **since})
                if since:
                    past = {**former, "id": uuid4(), "removed_at": row["created_at"]}
                    await connection.execute(insert(known_callers).values(past))
                await _note(connection, "changed", _known_caller(row), row_versions.audit_detail(changes))
            return _known_caller(row)

    async def remove_known_caller(self, known_caller_id: UUID, expected: int | None = None) -> None:
        async with self._database.transaction() as connection:
            row = await row_versions.locked(connection, known_callers, known_caller_id, expected, "known caller")
            _present(row, known_caller_id)
            gone = {"removed_at": func.clock_timestamp()}
            row = await row_versions.updated(connection, known_callers, known_caller_id, gone)
            await _note(connection, "removed", _known_caller(row), {})


def _known_already() -> Conflict:
    return Conflict("number: the sub-account knows it already; change that known caller", "number")


def _present(row: RowMapping | None, known_caller_id: UUID) -> RowMapping:
    """Return the row. Raises NotFound if there is none, or if it holds a former name."""
    if row is None or row["removed_at"] is not None:
        raise NotFound(f"there is no known caller {known_caller_id}")
    return row


async def _room(connection: AsyncConnection, sub_account_id: UUID, room_id: UUID | None) -> UUID:
    """Return the id of an open room of the sub-account, by default its first one. Raises Invalid."""
    at = rooms.c
    statement = select(at.id).where(at.sub_account_id == sub_account_id, at.state == "active")
    if room_id is not None:
        statement = statement.where(at.id == room_id)
    found: UUID | None = (await connection.execute(statement.order_by(at.created_at, at.id).limit(1))).scalar()
    if found is None:
        raise Invalid("room_id", "the sub-account has no such open room")
    return found


async def _note(connection: AsyncConnection, verb: str, caller: KnownCaller, detail: dict[str, Any]) -> None:
    owner = Owner(caller.account_id, caller.sub_account_id)
    await audit_log.note(connection, f"known_caller.{verb}", "known_caller", caller.id, owner, detail)


def _known_caller(row: RowMapping) -> KnownCaller:
    return KnownCaller(
        id=row["id"],
        account_id=row["account_id"],
        sub_account_id=row["sub_account_id"],
        room_id=row["room_id"],
        number=row["number"],
        name=row["name"],
        skips_code=row["skips_code"],
        created_at=row["created_at"],
        removed_at=row["removed_at"],
        version=row["version"],
    )
