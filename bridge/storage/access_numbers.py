"""Access numbers."""

from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from bridge.domain.errors import Conflict
from bridge.domain.tenancy import AccessNumber, NumberKind
from bridge.storage.database import Database
from bridge.storage.failures import UNIQUE_VIOLATION, sqlstate
from bridge.storage.pages import page
from bridge.storage.tables import access_numbers


class AccessNumbers:
    """The part of ports.Tenants that is about access numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_access_number(self, number: str, kind: NumberKind) -> AccessNumber:
        """A number that all accounts share. Raises Conflict when it is there already."""
        values = {"id": uuid4(), "number": number, "kind": kind.value}
        async with self._database.transaction() as connection:
            try:
                result = await connection.execute(insert(access_numbers).values(values).returning(access_numbers))
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise Conflict(f"access number {number} is there already") from error
            return _access_number(result.mappings().one())

    async def access_numbers(self, limit: int, after: UUID | None = None) -> list[AccessNumber]:
        async with self._database.transaction() as connection:
            result = await connection.execute(page(select(access_numbers), access_numbers, limit, after))
            return [_access_number(row) for row in result.mappings()]


def _access_number(row: RowMapping) -> AccessNumber:
    return AccessNumber(row["id"], row["number"], NumberKind(row["kind"]), row["created_at"])
