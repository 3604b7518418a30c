"""Makes the bill of one account for one month."""

from uuid import UUID

from bridge.domain.billing import statement
from bridge.domain.billing.statement import Statement
from bridge.domain.period import month
from bridge.usecases.billing.ports import BilledStays
from bridge.usecases.provisioning.ports import Accounts


async def issue_statement(accounts: Accounts, billed_stays: BilledStays, account_id: UUID, period: str) -> Statement:
    """Return a draft statement, computed from the present charges. `period` is YYYY-MM in the account's time zone.

    Raises NotFound, Invalid, Unavailable.
    """
    account = await accounts.account(account_id)
    span = month(period, account.time_zone)
    billed = await billed_stays.billed(account_id, span)
    return statement.issue(account, span, billed.stays, billed.unrated, billed.open)
