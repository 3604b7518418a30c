"""All throttles of an installation: whose failures count where, what they cost whom, and when guessing is under way.

Keys that many callers share (a trunk, an access number, the installation) only make wait and never block: a block there
would let anybody shut everybody out. Who is known to be good is measured by the own failures alone, and never blocked,
since caller numbers can be forged: otherwise others' guesses would lock them out.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.domain.admission.throttle import INSTALLATION, Throttle, ThrottleKey, ThrottleKind, ThrottlePolicy

MOST: Final = 20_000
"""So many keys are kept; beyond them those with the lowest levels give way, a tenth of all at a time."""


@dataclass(frozen=True, slots=True)
class CallSource:
    """Where an entry comes from: the caller's number (digits; empty when withheld), the trunk's address, the access
    number that was dialled, and whether the caller is known to be good."""

    caller: str
    trunk: str
    access_number: str
    known: bool = False

    @property
    def own(self) -> ThrottleKey:
        """The key that is the caller's own; those who withhold their number share one on each trunk."""
        return (
            ThrottleKey(ThrottleKind.CALLER, self.caller)
            if self.caller
            else ThrottleKey(ThrottleKind.TRUNK, self.trunk)
        )

    @property
    def shared(self) -> tuple[ThrottleKey, ThrottleKey]:
        return ThrottleKey(ThrottleKind.ACCESS_NUMBER, self.access_number), INSTALLATION


@dataclass(frozen=True, slots=True)
class ActiveThrottle:
    """What a key's failures mean now. `blocked_until` is None when it is not blocked."""

    key: ThrottleKey
    level: float
    delay_s: float
    blocked_until: float | None


class Throttles:
    """Every time is an argument. `changed` has what is to be stored anew: None for a key that is to be forgotten."""

    def __init__(self, policies: Mapping[ThrottleKind, ThrottlePolicy], most: int = MOST) -> None:
        self._policies = policies
        self._most = most
        self._throttles: dict[ThrottleKey, Throttle] = {}
        self._risen: set[ThrottleKey] = set()
        self._alarms: set[ThrottleKey] = set()
        self.changed: dict[ThrottleKey, Throttle | None] = {}

    def __len__(self) -> int:
        return len(self._throttles)

    def restore(self, throttles: Mapping[ThrottleKey, Throttle]) -> None:
        """Take in what was stored."""
        self._throttles.update(throttles)

    # --- Entries ------------------------------------------------------------------------------------------------------
    def delay_s(self, source: CallSource, now: float) -> float:
        """How long an entry from there waits before it is judged, right or wrong."""
        if not self._throttles:
            return 0.0
        keys = (source.own,) if source.known else (source.own, *source.shared)
        return max(self._delay_s(key, now) for key in keys)

    def blocked(self, source: CallSource, now: float) -> bool:
        """Whether nothing that comes from there is judged at all."""
        throttle = self._throttles.get(source.own)
        return throttle is not None and not source.known and throttle.blocked(now)

    def fail(self, source: CallSource, now: float) -> None:
        """Count a wrong entry. Those of good callers count everywhere too: their numbers may be forged."""
        for key in (source.own, *source.shared):
            failed = self._throttles.get(key, Throttle()).failed(now, self._policies[key.kind], not source.known)
            self._throttles[key] = self.changed[key] = failed
            if self._alarmed(key, now, 1.0):
                self._risen.add(key)
        if len(self._throttles) > self._most:
            self._evict()

    # --- What is told ---------------------------------------------------------------------------------------------
    def active(self, now: float) -> list[ActiveThrottle]:
        """The keys that make wait or block now, the highest level first."""
        found = [self._active(key, throttle, now) for key, throttle in self._throttles.items()]
        hindering = (one for one in found if one.delay_s > 0 or one.blocked_until is not None)
        return sorted(hindering, key=lambda one: (-one.level, one.key.kind, one.key.value))

    def lift(self, key: ThrottleKey) -> None:
        """Forget all failures and blocks of a key."""
        if self._throttles.pop(key, None) is not None:
            self.changed[key] = None

    def level(self, key: ThrottleKey, now: float) -> float:
        """The level of a key, 0 when it has no failures."""
        throttle = self._throttles.get(key)
        return 0.0 if throttle is None else throttle.level_at(now, self._policies[key.kind])

    def alarms(self, now: float) -> tuple[set[ThrottleKey], set[ThrottleKey]]:
        """Where guessing has begun since the last time this was asked, and where it has ended: at half the level."""
        begun, self._risen = self._risen - self._alarms, set()
        ended = {key for key in self._alarms if not self._alarmed(key, now, 0.5)}
        self._alarms = (self._alarms | begun) - ended
        return begun, ended

    @property
    def guessing(self) -> frozenset[ThrottleKey]:
        """Where guessing is under way, as of the last time that `alarms` was asked."""
        return frozenset(self._alarms)

    def fade(self, now: float) -> None:
        """Forget what has faded."""
        for key in [key for key, one in self._throttles.items() if one.over(now, self._policies[key.kind])]:
            self.lift(key)

    # --- How ------------------------------------------------------------------------------------------------------
    def _delay_s(self, key: ThrottleKey, now: float) -> float:
        throttle = self._throttles.get(key)
        return 0.0 if throttle is None else throttle.delay_s(now, self._policies[key.kind])

    def _alarmed(self, key: ThrottleKey, now: float, share: float) -> bool:
        alarm_at = self._policies[key.kind].alarm_at
        return alarm_at is not None and self.level(key, now) >= share * alarm_at

    def _active(self, key: ThrottleKey, throttle: Throttle, now: float) -> ActiveThrottle:
        policy = self._policies[key.kind]
        until = throttle.blocked_until if throttle.blocked(now) else None
        return ActiveThrottle(key, throttle.level_at(now, policy), throttle.delay_s(now, policy), until)

    def _evict(self) -> None:
        """Callers' numbers, which anybody can forge, give way first; of them those with the lowest levels."""

        def worth(item: tuple[ThrottleKey, Throttle]) -> tuple[bool, float]:
            key, throttle = item
            # The same at any time: log2 of the level, as it was at the beginning of all times.
            faded = math.log2(throttle.level) + throttle.at / self._policies[key.kind].half_life_s
            return key.kind is not ThrottleKind.CALLER, faded + throttle.blocks

        for key, _ in heapq.nsmallest(max(1, self._most // 10), self._throttles.items(), key=worth):
            self.lift(key)
