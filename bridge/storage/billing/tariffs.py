"""Stores tariff versions, which never change: later ones succeed them."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.billing.rating import TariffVersion
from bridge.domain.errors import Conflict
from bridge.storage.billing import charging
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.tables.billing import charges, tariff_versions
from bridge.storage.provisioning import accounts


class PostgresTariffs:
    """Implements ports.Tariffs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_tariff_version(self, version: TariffVersion) -> TariffVersion:
        """Add a version, and charge the closed stays that waited for it.

        Raises NotFound (the account), Conflict (one begins at that instant, or stays were charged under another one).
        """
        async with self._database.transaction() as connection:
            await accounts.found(connection, version.account_id)
            await locks.lock_tariff_for_change(connection, version.account_id)
            try:
                await connection.execute(insert(tariff_versions).values(asdict(version)))
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                raise Conflict(f"a tariff version begins at {version.effective_from.isoformat()} already") from error
            await _refuse_to_change_charges(connection, version)
            await charging.charge_waiting(connection, version.account_id, version.effective_from)
        return version

    async def tariff_versions(self, account_id: UUID) -> list[TariffVersion]:
        """In order of their beginning. Raises NotFound (the account)."""
        async with self._database.snapshot() as connection:
            await accounts.found(connection, account_id)
            return (await charging.tariffs(connection, [account_id]))[account_id]


async def _refuse_to_change_charges(connection: AsyncConnection, version: TariffVersion) -> None:
    """Raise Conflict if a stay that the new version would cover is charged under another one already."""
    starts = tariff_versions.c.effective_from
    next_start = select(func.min(starts)).where(
        tariff_versions.c.account_id == version.account_id, starts > version.effective_from
    )
    end: datetime | None = (await connection.execute(next_start)).scalar()
    taken_back = charges.alias()
    kept = charges.c.reverses.is_(None) & ~exists().where(taken_back.c.reverses == charges.c.id)
    ruled = kept & (charges.c.account_id == version.account_id) & (charges.c.joined_at >= version.effective_from)
    if end is not None:
        ruled &= charges.c.joined_at < end
    latest = (await connection.execute(select(func.max(charges.c.joined_at)).where(ruled))).scalar()
    if latest is not None:
        raise Conflict(
            f"stays up to {latest.isoformat()} are charged under an earlier tariff version already: "
            "let the new one begin after that"
        )
