"""All throttles of a node: where a failure counts, which entries it delays or blocks, and when somebody is guessing.

Keys that many callers share (a trunk, an access number, the installation) only delay and never block. A block there
would let anybody shut everybody out. A known caller is delayed by failures under the own number alone, and is never
blocked: caller numbers can be forged, so the guesses of others would lock this caller out.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bridge.domain.admission.throttle import INSTALLATION, Throttle, ThrottleKey, ThrottleKind, ThrottlePolicy

MOST: Final = 20_000
"""The number of keys that are kept. Beyond it those with the lowest levels are dropped, a tenth of all at a time."""


@dataclass(frozen=True, slots=True)
class CallSource:
    """The origin of a call and its entries.

    `caller` is the caller's number as `phone.caller` returns it, empty when withheld; `trunk` an address;
    `access_number` the number that was dialled. `known` is True for a caller whom a sub-account knows, or who was
    admitted lately. `trunk_id` is the trunk, None for the unnamed one.
    """

    caller: str
    trunk: str
    access_number: str
    known: bool = False
    trunk_id: UUID | None = None

    @property
    def own(self) -> ThrottleKey:
        """The caller's own key. Callers who withhold their number share one key for each trunk."""
        return (
            ThrottleKey(ThrottleKind.CALLER, self.caller)
            if self.caller
            else ThrottleKey(ThrottleKind.TRUNK, self.trunk)
        )

    @property
    def shared(self) -> tuple[ThrottleKey, ThrottleKey]:
        """The keys that other callers share."""
        return ThrottleKey(ThrottleKind.ACCESS_NUMBER, self.access_number), INSTALLATION


@dataclass(frozen=True, slots=True)
class ActiveThrottle:
    """A throttle that delays or blocks entries now. `blocked_until` is None while it does not block."""

    key: ThrottleKey
    level: float
    delay_s: float
    blocked_until: float | None


class Throttles:
    """The throttles by their keys. Times are arguments, in seconds since 1970.

    `changed` holds what has to be stored: key → throttle, or None for a key that has to be deleted.
    """

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
        """Take in what was stored before a restart."""
        self._throttles.update(throttles)

    # --- Entries ------------------------------------------------------------------------------------------------------
    def delay_s(self, source: CallSource, now: float) -> float:
        """Seconds that an entry from this source waits before it is judged, right or wrong."""
        if not self._throttles:
            return 0.0
        keys = (source.own,) if source.known else (source.own, *source.shared)
        return max(self._delay_s(key, now) for key in keys)

    def blocked(self, source: CallSource, now: float) -> bool:
        """Return True if no entry from this source is judged now."""
        throttle = self._throttles.get(source.own)
        return throttle is not None and not source.known and throttle.blocked(now)

    def fail(self, source: CallSource, now: float) -> None:
        """Count a wrong entry under all keys of its source. Known callers are no exception: numbers can be forged."""
        for key in (source.own, *source.shared):
            failed = self._throttles.get(key, Throttle()).failed(now, self._policies[key.kind], not source.known)
            self._throttles[key] = self.changed[key] = failed
            if self._alarmed(key, now, 1.0):
                self._risen.add(key)
        if len(self._throttles) > self._most:
            self._evict()

    # --- For operators --------------------------------------------------------------------------------------------
    def active(self, now: float) -> list[ActiveThrottle]:
        """The throttles that delay or block now, the highest level first."""
        every = [self._active(key, throttle, now) for key, throttle in self._throttles.items()]
        active = (one for one in every if one.delay_s > 0 or one.blocked_until is not None)
        return sorted(active, key=lambda one: (-one.level, one.key.kind, one.key.value))

    def lift(self, key: ThrottleKey) -> None:
        """Forget all failures and blocks of a key."""
        if self._throttles.pop(key, None) is not None:
            self.changed[key] = None

    def level(self, key: ThrottleKey, now: float) -> float:
        """The level of a key, 0 when it has no failures."""
        throttle = self._throttles.get(key)
        return 0.0 if throttle is None else throttle.level_at(now, self._policies[key.kind])

    def alarms(self, now: float) -> tuple[set[ThrottleKey], set[ThrottleKey]]:
        """The keys where guessing has begun since the last call of this method, and those where it has ended.

        It ends at half the level at which it began, so that the alarm does not come and go.
        """
        begun, self._risen = self._risen - self._alarms, set()
        ended = {key for key in self._alarms if not self._alarmed(key, now, 0.5)}
        self._alarms = (self._alarms | begun) - ended
        return begun, ended

    @property
    def guessing(self) -> frozenset[ThrottleKey]:
        """The keys where guessing was under way when `alarms` was called last."""
        return frozenset(self._alarms)

    def fade(self, now: float) -> None:
        """Forget throttles that have faded."""
        for key in [key for key, one in self._throttles.items() if one.over(now, self._policies[key.kind])]:
            self.lift(key)

    # --- One key --------------------------------------------------------------------------------------------------
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
        """Drop a tenth of all keys: callers' numbers first, which anybody can forge, and those of the lowest levels."""

        def worth(item: tuple[ThrottleKey, Throttle]) -> tuple[bool, float]:
            key, throttle = item
            # The logarithm of the level, taken back to time 0: levels of different times compare without a clock.
            faded = math.log2(throttle.level) + throttle.at / self._policies[key.kind].half_life_s
            return key.kind is not ThrottleKind.CALLER, faded + throttle.blocks

        for key, _ in heapq.nsmallest(max(1, self._most // 10), self._throttles.items(), key=worth):
            self.lift(key)
