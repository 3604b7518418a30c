"""Adds a tariff version to an account."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from bridge.domain import money
from bridge.domain.billing import rating
from bridge.domain.billing.rating import TariffVersion
from bridge.domain.errors import Invalid
from bridge.usecases.billing.ports import Tariffs
from bridge.usecases.provisioning.ports import Accounts


async def add_tariff(
    accounts: Accounts,
    tariffs: Tariffs,
    account_id: UUID,
    effective_from: datetime,
    per_minute: Decimal,
    connect_fee: Decimal = Decimal(0),
    first_increment_s: int = 60,
    next_increment_s: int = 60,
    decimals: int | None = None,
    *,
    bill_estimated: bool = False,
) -> TariffVersion:
    """Add prices to an account from an instant on, and rate stays that wait for a price.

    `decimals` defaults to those of the currency. Raises Invalid, NotFound, Conflict (a version begins at that instant
    already, or charges made under an earlier version would change).
    """
    account = await accounts.account(account_id)
    if effective_from.tzinfo is None:
        raise Invalid("effective_from", "give the time zone, such as 2026-11-01T00:00:00Z")
    version = TariffVersion(
        uuid4(),
        account_id,
        effective_from,
        per_minute,
        connect_fee,
        first_increment_s,
        next_increment_s,
        money.minor_decimals(account.currency) if decimals is None else decimals,
        bill_estimated,
    )
    return await tariffs.add_tariff_version(rating.checked(version, account.currency))
