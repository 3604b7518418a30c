"""How wrong entries make the next ones wait, and shut out whoever goes on: one throttle, as a value.

A throttle's level is its failures so far, each fading to a half within a half-life. Times are seconds since 1970.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

_KEYS: Final = UUID("0c2f7a4e-5a55-5d0c-8a0e-6f5b7c1d9e42")
DAY_S: Final = 86_400.0
FORGIVEN_S: Final = 7 * DAY_S
"""So long after its end a block counts no more when the next one's length is chosen."""
NOTHING: Final = 0.05
"""A level below this is as good as none."""


class ThrottleKind(StrEnum):
    """What failures are counted by."""

    CALLER = "caller"
    """The caller's number."""
    TRUNK = "trunk"
    """Callers of one trunk who withhold their number."""
    ACCESS_NUMBER = "access_number"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class ThrottleKey:
    """Whose failures: a caller's number, a trunk's address, an access number; nothing for the whole installation."""

    kind: ThrottleKind
    value: str = ""

    @property
    def id(self) -> UUID:
        """The name of this key in REST."""
        return uuid5(_KEYS, f"{self.kind}|{self.value}")


INSTALLATION: Final = ThrottleKey(ThrottleKind.INSTALLATION)


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """What a level costs. Above `free`, an entry is judged late: by `first_s` at one `step` above it, and twice as much
    with each further step, `longest_s` at most.

    From a level of `block_at` on, each failure blocks: for `block_s`, and twice as long each time, a day at most. None
    never blocks. `alarm_at` is the level at which guessing is taken to be under way, None for where it can't be told.
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
    """The failures of one key: their level as of `at`, and the last block with the count of those in a row."""

    level: float = 0.0
    at: float = 0.0
    blocked_until: float = 0.0
    blocks: int = 0

    def level_at(self, now: float, policy: ThrottlePolicy) -> float:
        """What is left of the level. A clock that was set back lets nothing fade."""
        return self.level * math.exp2(-max(0.0, now - self.at) / policy.half_life_s)

    def delay_s(self, now: float, policy: ThrottlePolicy) -> float:
        """How long an entry waits before it is judged, right or wrong."""
        over = self.level_at(now, policy) - policy.free
        if over <= 0:
            return 0.0
        return min(policy.longest_s, policy.first_s * math.exp2(min(64.0, over / policy.step - 1)))

    def blocked(self, now: float) -> bool:
        """Whether nothing is judged at all. No clock that was set back makes a block longer than a day."""
        return now < self.blocked_until <= now + DAY_S

    def failed(self, now: float, policy: ThrottlePolicy, blocks: bool = True) -> "Throttle":
        """After one more failure. `blocks` is False for those who are never blocked."""
        counted = replace(self, level=self.level_at(now, policy) + 1, at=now)
        if not blocks or policy.block_at is None or counted.level < policy.block_at or self.blocked(now):
            return counted
        repeats = self.blocks if now - self.blocked_until < FORGIVEN_S else 0
        length = min(DAY_S, policy.block_s * math.exp2(min(64, repeats)))
        return replace(counted, blocked_until=now + length, blocks=repeats + 1)

    def over(self, now: float, policy: ThrottlePolicy) -> bool:
        """Whether nothing of it is worth keeping."""
        return self.level_at(now, policy) < NOTHING and now >= self.blocked_until + FORGIVEN_S * (self.blocks > 0)
