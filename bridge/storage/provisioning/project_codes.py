"""Project codes: never deleted, since past stays are charged to them."""

from uuid import UUID, uuid4

from sqlalchemy import insert, select, union_all
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.changes import ProjectCodeChanges, given
from bridge.domain.provisioning.tenants import ProjectCode
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.provisioning import project_codes, sub_accounts
from bridge.storage.provisioning import accounts
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import Place


class PostgresProjectCodes(Repository):
    """Implements the project codes of provisioning_ports.Tenants."""

    async def add_project_code(
        self, account_id: UUID, sub_account_id: UUID | None, code: str, name: str
    ) -> ProjectCode:
        values = {"id": uuid4(), "account_id": account_id, "sub_account_id": sub_account_id, "code": code, "name": name}
        at = sub_accounts.c
        async with self._database.transaction() as connection:
            await accounts.found(connection, account_id)
            if sub_account_id is not None:
                owned = select(at.id).where(at.id == sub_account_id, at.account_id == account_id)
                if (await connection.execute(owned)).first() is None:
                    raise NotFound("the account has no such sub-account")
            try:
                result = await connection.execute(insert(project_codes).values(values).returning(project_codes))
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise Conflict(f"project code {code} is there already, perhaps closed", "code") from error
            made = _project_code(result.mappings().one())
            owner, detail = Owner(account_id, sub_account_id), {"code": code}
            await audit_log.note(connection, "project_code.created", "project_code", made.id, owner, detail)
            return made

    async def project_code(self, project_code_id: UUID) -> ProjectCode:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(project_codes).where(project_codes.c.id == project_code_id))
            row = result.mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no project code {project_code_id}")
        return _project_code(row)

    async def project_codes(
        self,
        limit: int,
        after: Place | None = None,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        usable_by: UUID | None = None,
    ) -> list[ProjectCode]:
        at = project_codes.c
        statement = select(project_codes)
        if account_id is not None:
            statement = statement.where(at.account_id == account_id)
        if sub_account_id is not None:
            statement = statement.where(at.sub_account_id == sub_account_id)
        found = page(statement, project_codes, limit, after)
        if usable_by is not None and sub_account_id is None:
            # Two ordered selects, each by an index of its own, cost less than one with OR.
            sides = [
                page(statement.where(owned), project_codes, limit, after)
                for owned in (at.sub_account_id == usable_by, at.sub_account_id.is_(None))
            ]
            both = union_all(*(select(side.subquery()) for side in sides)).subquery()
            found = select(both).order_by(both.c.created_at, both.c.id).limit(limit)
        async with self._database.snapshot() as connection:
            return [_project_code(row) for row in (await connection.execute(found)).mappings()]

    async def change_project_code(
        self, project_code_id: UUID, wanted: ProjectCodeChanges, expected: int | None = None
    ) -> ProjectCode:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            row = await row_versions.locked(connection, project_codes, project_code_id, expected, "project code")
            changes = row_versions.differing(row, changes)
            if changes:
                row = await row_versions.updated(connection, project_codes, project_code_id, changes)
                owner, detail = Owner(row["account_id"], row["sub_account_id"]), row_versions.audit_detail(changes)
                await audit_log.note(connection, "project_code.changed", "project_code", project_code_id, owner, detail)
            return _project_code(row)


def _project_code(row: RowMapping) -> ProjectCode:
    return ProjectCode(
        id=row["id"],
        account_id=row["account_id"],
        sub_account_id=row["sub_account_id"],
        code=row["code"],
        name=row["name"],
        state=row["state"],
        created_at=row["created_at"],
        version=row["version"],
    )
