"""Ports of billing: tariffs, billed stays of a period, and the calls that a carrier's file is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain.billing import statement
from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.billing.rating import TariffVersion
from bridge.domain.period import Period


class Tariffs(Protocol):
    """Tariff versions of accounts. Raises NotFound (the account), Unavailable."""

    async def add_tariff_version(self, version: TariffVersion) -> TariffVersion:
        """Add it and charge the closed stays that waited for it. Raises Conflict."""

    async def tariff_versions(self, account_id: UUID) -> list[TariffVersion]:
        """The versions of one account, in order of their beginning."""


@dataclass(frozen=True, slots=True)
class BilledPeriod:
    """The rated stays that began in a period, and the numbers of those not rated or not over."""

    stays: Sequence[statement.BilledStay]
    unrated: int
    open: int


class BilledStays(Protocol):
    """Reads the stays that an account is billed for."""

    async def billed(self, account_id: UUID, period: Period) -> BilledPeriod:
        """Return everything that a statement is made of, as of one instant. Raises Unavailable."""


class OwnCalls(Protocol):
    """Reads the calls of the ledger."""

    async def started(
        self, since: datetime, until: datetime, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[OwnCall]:
        """Return calls that arrived in [since, until), open and over, by (arrival, id), after a given pair.

        Raises Unavailable.
        """
