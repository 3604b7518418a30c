"""One throttle as a value: wrong entries delay the next ones, and many of them block their caller.

The level of a throttle is the sum of its failures so far, each of which fades to a half within a half-life.
Times are in seconds since 1970.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

_KEYS: Final = UUID("0c2f7a4e-5a55-5d0c-8a0e-6f5b7c1d9e42")
DAY_S: Final = 86_400.0
FORGIVEN_S: Final = 7 * DAY_S
"""This long after its end, a block no longer makes the next one longer."""
NEGLIGIBLE: Final = 0.05
"""A level below this counts as none."""


class ThrottleKind(StrEnum):
    """A kind of thing that failures are counted by."""

    CALLER = "caller"
    """The caller's number."""
    TRUNK = "trunk"
    """Callers of one trunk who withhold their number."""
    ACCESS_NUMBER = "access_number"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class ThrottleKey:
    """The thing whose failures a throttle counts.

    `value` is a caller's number, a trunk's address or an access number; it is empty for the whole installation.
    """

    kind: ThrottleKind
    value: str = ""

    @property
    def id(self) -> UUID:
        """The id of this key in REST."""
        return uuid5(_KEYS, f"{self.kind}|{self.value}")


INSTALLATION: Final = ThrottleKey(ThrottleKind.INSTALLATION)


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """The delays and blocks that a level leads to.

    Above `free`, entries are delayed: by `first_s` at one `step` above it, and by twice as much with each further step,
    `longest_s` at most. From `block_at` on, each failure blocks: for `block_s`, and twice as long each time, a day at
    most; None never blocks. At `alarm_at` somebody is taken to be guessing; None raises no alarm.
    """

    half_life_s: float
    free: float
    step: float
    first_s: float
    longest_s: float
    block_at: float | None = None
    block_s: float = 0.0
    alarm_at: float | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """The failures of one key: their level as of `at`, the end of the last block, and the number of blocks in a row."""

    level: float = 0.0
    at: float = 0.0
    blocked_until: float = 0.0
    blocks: int = 0

    def level_at(self, now: float, policy: ThrottlePolicy) -> float:
        """The level that is left at `now`. While a clock that was set back is behind `at`, nothing fades."""
        return self.level * math.exp2(-max(0.0, now - self.at) / policy.half_life_s)

    def delay_s(self, now: float, policy: ThrottlePolicy) -> float:
        """Seconds that an entry waits before it is judged, right or wrong."""
        over = self.level_at(now, policy) - policy.free
        if over <= 0:
            return 0.0
        return min(policy.longest_s, policy.first_s * math.exp2(min(64.0, over / policy.step - 1)))

    def blocked(self, now: float) -> bool:
        """Return True if no entry is judged now."""
        # A block that seems to last longer than a day is due to a clock that was set back.
        return now < self.blocked_until <= now + DAY_S

    def failed(self, now: float, policy: ThrottlePolicy, blocks: bool = True) -> "Throttle":
        """The throttle after one more failure. `blocks` is False for callers who are never blocked."""
        counted = replace(self, level=self.level_at(now, policy) + 1, at=now)
        if not blocks or policy.block_at is None or counted.level < policy.block_at or self.blocked(now):
            return counted
        repeats = self.blocks if now - self.blocked_until < FORGIVEN_S else 0
        length = min(DAY_S, policy.block_s * math.exp2(min(64, repeats)))
        return replace(counted, blocked_until=now + length, blocks=repeats + 1)

    def over(self, now: float, policy: ThrottlePolicy) -> bool:
        """Return True if the throttle has faded so far that it need not be kept."""
        return self.level_at(now, policy) < NEGLIGIBLE and now >= self.blocked_until + FORGIVEN_S * (self.blocks > 0)
