"""Mends the differences that `verify_journal` found, by rows that correct others, never by changing a row."""

from collections.abc import Callable
from typing import Final

from bridge.domain.metering.verification import Verification
from bridge.usecases.metering.ports import LedgerAudit

BATCH: Final = 500


async def rebuild_journal(
    node: str, audit: LedgerAudit, found: Verification, on_progress: Callable[[int], None] = lambda mended: None
) -> int:
    """Mend every difference that can be mended, BATCH of them in a transaction, and return how many these were.

    Run again, it changes nothing. Raises Unavailable; what is mended by then stays mended.
    """
    mendable = [one for one in found.differences if not one.unmendable]
    for start in range(0, len(mendable), BATCH):
        await audit.mend(node, mendable[start : start + BATCH])
        on_progress(min(start + BATCH, len(mendable)))
    return len(mendable)
