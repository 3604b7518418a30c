"""The difference between this machine's clock and Postgres' clock.

Postgres' time is read every READ_S. In between it is reckoned on from this machine's seconds since boot, which no step
of the clock changes. So a step of this machine's clock shows at once, also while Postgres is away.
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
"""A reading is given up after an hour: by then the two clocks may have drifted by more than the reading's error."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading: Postgres' time minus seconds since boot, its error bound, and when it was taken (since boot)."""

    reference_s: float
    bound_s: float
    at: float


class PostgresClock:
    """Reads the clock of Postgres; `clock` is the difference to this machine's. It implements no port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: _Reading | None = None

    async def run(self) -> None:
        """Read the clock every READ_S, for ever. Silent while Postgres is away: those who need it report that."""
        while True:
            with contextlib.suppress(Unavailable):
                await self.read()
            await asyncio.sleep(READ_S)

    async def read(self) -> None:
        """Read the clock once. Raises Unavailable."""
        async with self._database.transaction() as connection:
            before = _since_boot()
            theirs = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            after = _since_boot()
        self._reading = _Reading(theirs.timestamp() - (before + after) / 2, (after - before) / 2, after)

    @property
    def clock(self) -> ClockOffset | None:
        """The seconds by which this machine's clock is ahead; None before the first reading, and STALE_S after the
        last."""
        now = _since_boot()
        if self._reading is None or now - self._reading.at > STALE_S:
            return None
        return ClockOffset(time.time() - now - self._reading.reference_s, self._reading.bound_s)


def _since_boot() -> float:
    """Return seconds since boot: no step of the clock changes them, and they go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
