"""A limit of refused passcodes for each account, so that nobody finds live codes by choosing one after another.

The count is in memory: requests beyond the limit cost no database.
"""

import time
from collections import deque
from typing import Final
from uuid import UUID

from bridge.domain.errors import TooMany

MOST: Final = 10
SPAN_S: Final = 3600.0


class ChosenCodeLimit:
    """Times of the chosen passcodes that were refused in the last SPAN_S, by account."""

    def __init__(self) -> None:
        self._refused: dict[UUID, deque[float]] = {}

    def check(self, account_id: UUID, more: int = 0) -> None:
        """Raises TooMany if MOST chosen passcodes of the account were refused; with `more`, if more than MOST were."""
        now = time.monotonic()
        refused = self._refused.get(account_id, deque())
        while refused and refused[0] <= now - SPAN_S:
            refused.popleft()
        if len(refused) >= MOST + (1 if more else 0):
            wait_s = int(refused[-MOST] + SPAN_S - now) + 1
            raise TooMany("too many chosen passcodes were refused: leave digits out to have one generated", wait_s)

    def refuse(self, account_id: UUID, count: int) -> None:
        """Note that `count` chosen passcodes of the account are refused now."""
        now = time.monotonic()
        for other in [key for key, times in self._refused.items() if times[-1] <= now - SPAN_S]:
            del self._refused[other]
        refused = self._refused.setdefault(account_id, deque(maxlen=MOST + 1))
        refused.extend([now] * min(count, MOST + 1))
