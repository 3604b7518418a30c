"""The bill of one account for one month."""

from uuid import UUID

from bridge.domain import period as periods
from bridge.domain import statement
from bridge.domain.statement import Statement
from bridge.usecases.ports import Minutes
from bridge.usecases.tenants import Tenants


async def issue_statement(tenants: Tenants, minutes: Minutes, account_id: UUID, period: str) -> Statement:
    """A draft statement, computed from charges as they stand. `period` is YYYY-MM in the account's time zone.

    Raises NotFound, Invalid, Unavailable.
    """
    account = await tenants.account(account_id)
    span = periods.month(period, account.time_zone)
    billed = await minutes.billed(account_id, span)
    return statement.issue(account, span, billed.stays, billed.unrated, billed.open)
