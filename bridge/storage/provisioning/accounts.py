"""Accounts."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, literal, select, union_all
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.changes import AccountChanges, AccountFields, given
from bridge.domain.provisioning.tenants import Account, Space, State
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.access import api_keys
from bridge.storage.postgres.tables.billing import charges, tariff_versions
from bridge.storage.postgres.tables.metering import minute_records, open_stays
from bridge.storage.postgres.tables.provisioning import (
    access_numbers,
    account_usage,
    accounts,
    chosen_code_tries,
    passcodes,
    project_codes,
    sub_accounts,
)
from bridge.storage.postgres.tables.webhooks import webhooks
from bridge.storage.provisioning import code_space
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import Place

_SETTLED: Final = frozenset({"currency", "time_zone"})
_PRICED: Final = {"tariff versions": tariff_versions, "minute records": minute_records, "charges": charges}
_WITHIN: Final = {
    "sub-accounts": sub_accounts,
    "access numbers": access_numbers,
    "project codes": project_codes,
    "open stays": open_stays,
    **_PRICED,
}


class PostgresAccounts(Repository):
    """Implements the accounts of provisioning_ports.Tenants."""

    async def add_account(self, fields: AccountFields) -> Account:
        values = {"id": uuid4(), **given(fields)}
        async with self._database.transaction() as connection:
            result = await connection.execute(insert(accounts).values(values).returning(accounts))
            made = _account(result.mappings().one())
            await audit_log.note(connection, "account.created", "account", made.id, Owner(made.id))
            return made

    async def account(self, account_id: UUID) -> Account:
        async with self._database.snapshot() as connection:
            return await found(connection, account_id)

    async def accounts(self, limit: int, after: Place | None = None) -> list[Account]:
        async with self._database.snapshot() as connection:
            result = await connection.execute(page(select(accounts), accounts, limit, after))
            return [_account(row) for row in result.mappings()]

    async def change_account(self, account_id: UUID, wanted: AccountChanges, expected: int | None = None) -> Account:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            closing = changes.get("state") == State.CLOSED
            if closing:
                await code_space.lock_space_of(connection, account_id)
            row = await row_versions.locked(connection, accounts, account_id, expected, "account")
            changes = row_versions.differing(row, changes)
            if not changes:
                return _account(row)
            if row["state"] == State.CLOSED:
                raise Conflict("the account is closed, for good")
            if _SETTLED & changes.keys():
                await _refuse_if(connection, _PRICED, account_id, "currency and time zone are settled: the account has")
            made = _account(await row_versions.updated(connection, accounts, account_id, changes))
            if closing:
                await code_space.revoke(connection, passcodes.c.account_id == account_id)
            detail = row_versions.audit_detail(changes)
            await audit_log.note(connection, "account.changed", "account", account_id, Owner(account_id), detail)
            return made

    async def remove_account(self, account_id: UUID, expected: int | None = None) -> None:
        async with self._database.transaction() as connection:
            await row_versions.locked(connection, accounts, account_id, expected, "account")
            await _refuse_if(
                connection,
                _WITHIN,
                account_id,
                "only an account that never had anything can be deleted: close it; it has",
            )
            for table in (api_keys, webhooks, account_usage, chosen_code_tries):
                await connection.execute(delete(table).where(table.c.account_id == account_id))
            await row_versions.deleted(connection, accounts, account_id)
            await audit_log.note(connection, "account.removed", "account", account_id, Owner(account_id))


async def found(connection: AsyncConnection, account_id: UUID) -> Account:
    """Read an account. Raises NotFound."""
    result = await connection.execute(select(accounts).where(accounts.c.id == account_id))
    row = result.mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no account {account_id}")
    return _account(row)


async def _refuse_if(connection: AsyncConnection, tables: Mapping[str, Any], account_id: UUID, said: str) -> None:
    """Raises Conflict if the account has rows in one of the tables; the message begins with `said` and names them."""
    each = [
        select(literal(what)).where(select(table).where(table.c.account_id == account_id).exists())
        for what, table in tables.items()
    ]
    there = (await connection.execute(union_all(*each))).scalars().all()
    if there:
        raise Conflict(f"{said} {', '.join(there)}")


def _account(row: RowMapping) -> Account:
    return Account(
        id=row["id"],
        name=row["name"],
        currency=row["currency"],
        time_zone=row["time_zone"],
        state=State(row["state"]),
        created_at=row["created_at"],
        code_space=Space(row["code_space"]),
        max_callers=row["max_callers"],
        max_sub_accounts=row["max_sub_accounts"],
        max_rooms=row["max_rooms"],
        max_passcodes=row["max_passcodes"],
        max_known_callers=row["max_known_callers"],
        max_webhooks=row["max_webhooks"],
        labels=row["labels"],
        version=row["version"],
    )
