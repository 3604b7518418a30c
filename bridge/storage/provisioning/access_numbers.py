"""Access numbers."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, or_, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.changes import AccessNumberChanges, AccessNumberFields, given
from bridge.domain.provisioning.tenants import AccessNumber, NumberKind
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.row_versions import Columns
from bridge.storage.postgres.tables.provisioning import access_numbers
from bridge.storage.provisioning import accounts, trunks
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import Place


class PostgresAccessNumbers(Repository):
    """Implements the access numbers of provisioning_ports.Tenants."""

    async def add_access_number(self, fields: AccessNumberFields) -> AccessNumber:
        values = _columns(given(fields))
        async with self._database.transaction() as connection:
            await _check_owner(connection, values)
            try:
                result = await connection.execute(
                    insert(access_numbers).values(id=uuid4(), **values).returning(access_numbers)
                )
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise Conflict(f"access number {fields.number} is there already", "number") from error
            made = _access_number(result.mappings().one())
            settled = {name: value for name, value in values.items() if name not in {"number", "kind"}}
            detail = {"number": fields.number, **row_versions.audit_detail(settled)}
            await audit_log.note(
                connection, "access_number.created", "access_number", made.id, Owner(made.account_id), detail
            )
            return made

    async def access_number(self, access_number_id: UUID) -> AccessNumber:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(access_numbers).where(access_numbers.c.id == access_number_id))
            row = result.mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no access number {access_number_id}")
        return _access_number(row)

    async def access_numbers(
        self, limit: int, after: Place | None = None, reachable_by: UUID | None = None
    ) -> list[AccessNumber]:
        statement = select(access_numbers)
        if reachable_by is not None:
            owner = access_numbers.c.account_id
            statement = statement.where(or_(owner.is_(None), owner == reachable_by))
        async with self._database.snapshot() as connection:
            result = await connection.execute(page(statement, access_numbers, limit, after))
            return [_access_number(row) for row in result.mappings()]

    async def change_access_number(
        self, access_number_id: UUID, wanted: AccessNumberChanges, expected: int | None = None
    ) -> AccessNumber:
        changes = _columns(given(wanted))
        async with self._database.transaction() as connection:
            await _check_owner(connection, changes)
            row = await row_versions.locked(connection, access_numbers, access_number_id, expected, "access number")
            changes = row_versions.differing(row, changes)
            if changes:
                row = await row_versions.updated(connection, access_numbers, access_number_id, changes)
                owner, detail = Owner(row["account_id"]), row_versions.audit_detail(changes)
                await audit_log.note(
                    connection, "access_number.changed", "access_number", access_number_id, owner, detail
                )
            return _access_number(row)

    async def remove_access_number(self, access_number_id: UUID, expected: int | None = None) -> None:
        async with self._database.transaction() as connection:
            row = await row_versions.locked(connection, access_numbers, access_number_id, expected, "access number")
            await row_versions.deleted(connection, access_numbers, access_number_id)
            owner, detail = Owner(row["account_id"]), {"number": row["number"]}
            await audit_log.note(connection, "access_number.removed", "access_number", access_number_id, owner, detail)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if name == "trunk_ids" else value for name, value in values.items()}


async def _check_owner(connection: AsyncConnection, changes: Columns) -> None:
    """Raises NotFound if a number is to belong to an account, or to come by a trunk, that does not exist."""
    if changes.get("account_id") is not None:
        await accounts.found(connection, changes["account_id"])
    await trunks.check_there(connection, changes.get("trunk_ids", ()))


def _access_number(row: RowMapping) -> AccessNumber:
    return AccessNumber(
        id=row["id"],
        number=row["number"],
        kind=NumberKind(row["kind"]),
        created_at=row["created_at"],
        account_id=row["account_id"],
        language=row["language"],
        greeting=row["greeting"],
        trunk_ids=tuple(row["trunk_ids"]),
        version=row["version"],
    )
