"""Mend what `verify_journal` found: by rows that correct, never by changing one."""

from collections.abc import Callable
from typing import Final

from bridge.domain.metering.verification import Verification
from bridge.usecases.metering.ports import LedgerAudit

BATCH: Final = 500


async def rebuild_journal(
    node: str, books: LedgerAudit, found: Verification, on_progress: Callable[[int], None] = lambda mended: None
) -> int:
    """Mend all that can be mended, BATCH differences in a transaction; how many that were. Again, it changes nothing.

    Raises Unavailable; what is mended by then stays so.
    """
    mendable = [one for one in found.differences if not one.unmendable]
    for start in range(0, len(mendable), BATCH):
        await books.mend(node, mendable[start : start + BATCH])
        on_progress(min(start + BATCH, len(mendable)))
    return len(mendable)
