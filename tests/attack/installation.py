"""A simulated installation: nodes with the product's guard and dialogue, one stock of expected openings, and an alarm.

What is left out: Asterisk, the disk and Postgres. Prompts take no time, and each look-up answers at once.
"""

import asyncio
import random
from collections.abc import Coroutine, Mapping
from typing import Final

from bridge.domain.admission import guessing
from bridge.domain.admission.bucket import Bucket, BucketPolicy
from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.keypad import EntryTimeouts
from bridge.domain.admission.seats import Seats
from bridge.usecases.admission.admission_checks import AdmissionChecks
from tests.attack.codes import Codes
from tests.attack.openings import Openings, WatchedGuard

BEGIN: Final = 1_800_000_000.0
"""The time of the clock when a simulation begins."""
TIMEOUTS: Final = EntryTimeouts(first_digit_s=10.0, inter_digit_s=4.0, entry_s=30.0, tries=3)
"""The defaults of the settings."""
CALLS: Final = 5_000
"""The calls that the default audio ports allow."""
DRAWN_FROM: Final = 0.1
TIDY_S: Final = 60.0
CLOSELY_S: Final = 120.0
"""For so long after the start, the alarm is looked at each second; later once a TIDY_S."""


class Stock:
    """Implements admission_ports.GuessStock in memory."""

    def __init__(self, policy: BucketPolicy, now: float) -> None:
        self._bucket, self._now = Bucket.full(policy, now), now

    async def draw(self, most: float, policy: BucketPolicy) -> float:
        bucket = self._bucket.filled(policy, clock())
        drawn = max(0.0, min(most, bucket.level / 2))
        self._bucket = bucket.taken(drawn)
        return drawn


class Installation:
    """Nodes that share codes and stock. `tell` holds the passcodes whose owners were told that the PIN is guessed."""

    def __init__(
        self, by_length: Mapping[int, int], seed: int, nodes: int = 1, allowance: Allowance | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.openings = Openings()
        self.codes = Codes(by_length, self.openings, self.random)
        self.allowance = (allowance or Allowance()).fitted(guessing.chance(by_length, max(by_length)))
        self.stock = Stock(self.allowance.stock, clock())
        self.alarm_at: float | None = None
        self.told: dict[str, float] = {}
        self.daemons: list[asyncio.Task[None]] = []
        self.guards = [self._guard(f"node{place}") for place in range(1, nodes + 1)]
        self.nodes = [
            AdmissionChecks(self.codes, guard, Seats(self.codes.owner), TIMEOUTS, _ready, Capacity(CALLS))
            for guard in self.guards
        ]

    def _guard(self, node: str) -> WatchedGuard:
        def tell(grant: Grant) -> None:
            self.told.setdefault(grant.passcode_id, clock())

        guard = WatchedGuard(node, self.allowance, self.codes.known_by, on_guessed_pin=tell, clock=clock)
        guard.openings = self.openings
        return guard

    def keep(self, tick_s: float = 1.0) -> list[Coroutine[None, None, None]]:
        """The tasks of the nodes' daemons. Each draws lots, watches for the alarm and tidies up, for ever."""
        return [self._keep(guard, tick_s) for guard in self.guards]

    async def _keep(self, guard: WatchedGuard, tick_s: float) -> None:
        # Daemons do not begin at one instant.
        await asyncio.sleep(self.random.uniform(0, tick_s))
        began = tidied = clock()
        while True:
            now = clock()
            missing = guard.slots.missing(now)
            if missing > DRAWN_FROM * self.allowance.lot:
                guard.slots.draw(await self.stock.draw(missing, self.allowance.stock), now)
            if now - tidied >= TIDY_S or now - began < CLOSELY_S:
                self._watch(guard, now)
            if now - tidied >= TIDY_S:
                tidied = now
                guard.slots.fade(now)
                guard.regulars.fade(now)
                guard.slots.changed.clear()
            await asyncio.sleep(tick_s)

    def _watch(self, guard: WatchedGuard, now: float) -> None:
        begun, _ = guard.alarm.changes(guard.shared_and_short(), now)
        if begun and self.alarm_at is None:
            self.alarm_at = now


def clock() -> float:
    """Seconds since 1970, in virtual time."""
    return BEGIN + asyncio.get_running_loop().time()


async def _ready() -> None:
    """The barrier of a node that may admit callers."""
