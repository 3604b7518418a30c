"""Reconciles a carrier's file: gathers our calls around its period, and compares."""

from collections.abc import Callable, Sequence
from typing import Final

from bridge.domain.billing import carrier_reconciliation
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall
from bridge.domain.billing.carrier_reconciliation import Reconciliation, ReconciliationTerms
from bridge.domain.metering.records import instant
from bridge.usecases.billing.ports import OwnCalls

PAGE: Final = 5_000
RINGING_US: Final = 600_000_000
"""A call may have arrived so long before it was answered: our calls are read from so much earlier."""


async def reconcile_carrier(
    calls: OwnCalls,
    carrier: Sequence[CarrierCall],
    terms: ReconciliationTerms,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Reconciliation:
    """Compare the carrier's calls of a period with the ledger. Raises Unavailable.

    `on_progress` gets the number of our calls that are read.
    """
    since, until = instant(terms.since_us - terms.window_us - RINGING_US), instant(terms.until_us + terms.window_us)
    own: list[OwnCall] = []
    while True:
        after = (instant(own[-1].started_us), own[-1].id) if own else None
        page = await calls.started(since, until, PAGE, after)
        own += page
        on_progress(len(own))
        if len(page) < PAGE:
            return carrier_reconciliation.reconcile(carrier, own, terms)
