"""Accounts."""

from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import NotFound
from bridge.domain.tenancy import Account
from bridge.storage.database import Database
from bridge.storage.pages import page
from bridge.storage.tables import accounts


class Accounts:
    """The part of ports.Tenants that is about accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_account(self, name: str, currency: str, time_zone: str) -> Account:
        values = {"id": uuid4(), "name": name, "currency": currency, "time_zone": time_zone}
        async with self._database.transaction() as connection:
            result = await connection.execute(insert(accounts).values(values).returning(accounts))
            return _account(result.mappings().one())

    async def account(self, account_id: UUID) -> Account:
        async with self._database.transaction() as connection:
            return await found(connection, account_id)

    async def accounts(self, limit: int, after: UUID | None = None) -> list[Account]:
        async with self._database.transaction() as connection:
            result = await connection.execute(page(select(accounts), accounts, limit, after))
            return [_account(row) for row in result.mappings()]


async def found(connection: AsyncConnection, account_id: UUID) -> Account:
    """The account. Raises NotFound."""
    result = await connection.execute(select(accounts).where(accounts.c.id == account_id))
    row = result.mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no account {account_id}")
    return _account(row)


def _account(row: RowMapping) -> Account:
    return Account(row["id"], row["name"], row["currency"], row["time_zone"], row["state"], row["created_at"])
