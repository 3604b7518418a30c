"""Measures how late the event loop begins work that is due. All that the daemon does for callers waits so long."""

import asyncio
from collections import deque
from typing import Final

import structlog

from bridge import telemetry

log = structlog.get_logger()

LOOK_S: Final = 0.05
KEPT_S: Final = 60.0
SLOW_S: Final = 0.5
"""A lag that callers notice."""


class LongestLag:
    """The longest of the lags in the last KEPT_S. Times are in seconds, and never go back."""

    def __init__(self) -> None:
        # Each is shorter than the one before it: a longer one that comes later stands for it.
        self._lags: deque[tuple[float, float]] = deque()

    def add(self, now: float, lag_s: float) -> float:
        """Add a lag that ends now, and return the longest."""
        while self._lags and self._lags[-1][1] <= lag_s:
            self._lags.pop()
        self._lags.append((now, lag_s))
        while self._lags[0][0] <= now - KEPT_S:
            self._lags.popleft()
        return self._lags[0][1]


async def watch() -> None:
    """Keep the gauge, and log a lag that callers notice, for ever."""
    loop, longest = asyncio.get_running_loop(), LongestLag()
    while True:
        due = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        lag_s = max(0.0, loop.time() - due)
        telemetry.EVENT_LOOP_LAG_SECONDS.set(longest.add(loop.time(), lag_s))
        if lag_s >= SLOW_S:
            log.warning(
                "event_loop_slow",
                seconds=round(lag_s, 3),
                mend="callers waited so long; if it repeats, look for other load on the machine and for large requests",
            )
