"""Postgres' clock, kept between two readings on this machine's own count of seconds since its boot.

So a step of this machine's clock shows at once, and while Postgres is away as well.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from bridge.domain.errors import Unavailable
from bridge.domain.metering.meter_health import ClockOffset
from bridge.storage.postgres.database import Database

READ_S: Final = 10.0
STALE_S: Final = 3600.0
"""An hour later the two may have drifted apart by more than a reading's own error."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Postgres' time minus seconds since boot, how wrong that may be, and when it was read."""

    reference_s: float
    bound_s: float
    at: float


class PostgresClock:
    """Implements no port: the difference is told as `ClockOffset`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: _Reading | None = None

    async def run(self) -> None:
        """Read it every READ_S, for ever. That Postgres is away is told by those who need it."""
        while True:
            with contextlib.suppress(Unavailable):
                await self.read()
            await asyncio.sleep(READ_S)

    async def read(self) -> None:
        """Read it once. Raises Unavailable."""
        async with self._database.transaction() as connection:
            before = _since_boot()
            told = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            after = _since_boot()
        self._reading = _Reading(told.timestamp() - (before + after) / 2, (after - before) / 2, after)

    @property
    def clock(self) -> ClockOffset | None:
        """How far ahead this machine's clock is now; None before the first reading, and long after the last."""
        now = _since_boot()
        if self._reading is None or now - self._reading.at > STALE_S:
            return None
        return ClockOffset(time.time() - now - self._reading.reference_s, self._reading.bound_s)


def _since_boot() -> float:
    """Seconds that no step of the clock changes, and a sleep of the machine does not stop."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
