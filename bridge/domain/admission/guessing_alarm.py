"""The alarm that somebody is guessing: wrong entries come fast and are many of all, or entries have to wait."""

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final

from bridge.domain.admission.bucket import BucketKey

HALF_LIFE_S: Final = 60.0
PER_MINUTE: Final = 12.0
"""So many wrong entries a minute may be guessing. When 30 a minute begin to come, this is reached within 60 s."""
SHARE: Final = 0.25
"""They are guessing if they are so many of all entries. Honest callers mistype one entry in eight."""
ENDS: Final = 0.75
"""Guessing has ended at this part of the rate and of the share at which it began: honest callers stay below both."""


@dataclass(frozen=True, slots=True)
class _Recent:
    """Counts of wrong and of all entries, each of which fades to a half within HALF_LIFE_S."""

    wrong: float = 0.0
    every: float = 0.0
    at: float = 0.0

    def faded(self, now: float) -> "_Recent":
        left = math.exp2(-max(0.0, now - self.at) / HALF_LIFE_S)
        return _Recent(self.wrong * left, self.every * left, now)


class GuessingAlarm:
    """The access numbers and the installation, and where guessing is under way. Times are in seconds since 1970."""

    def __init__(self) -> None:
        self._recent: dict[BucketKey, _Recent] = {}
        self._waited: dict[BucketKey, float] = {}
        self._on: set[BucketKey] = set()

    def count(self, key: BucketKey, now: float, *, wrong: bool) -> None:
        """Count an entry that was judged."""
        recent = self._recent.get(key, _Recent()).faded(now)
        self._recent[key] = _Recent(recent.wrong + wrong, recent.every + 1, now)

    def changes(self, short: Iterable[BucketKey], now: float) -> tuple[Set[BucketKey], Set[BucketKey]]:
        """The keys where guessing has begun since the last call of this method, and those where it has ended.

        `short` are the shared buckets that entries wait for. It ends at a lower rate than that at which it began, and
        HALF_LIFE_S after the last entry has waited, so that the alarm does not come and go.
        """
        recent = {key: one.faded(now) for key, one in self._recent.items()}
        self._recent = {key: one for key, one in recent.items() if one.every >= 0.01}
        waited = self._waited | dict.fromkeys(short, now)
        self._waited = {key: at for key, at in waited.items() if abs(now - at) < HALF_LIFE_S}
        now_on = {key for key in self._recent if self._is_guessed(key, now)}.union(self._waited)
        begun, ended = now_on - self._on, self._on - now_on
        self._on = now_on
        return begun, ended

    @property
    def guessing(self) -> frozenset[BucketKey]:
        """The keys where guessing was under way when `changes` was called last."""
        return frozenset(self._on)

    def per_minute(self, key: BucketKey, now: float) -> float:
        """The wrong entries a minute of late."""
        return self._recent.get(key, _Recent()).faded(now).wrong * math.log(2) * 60 / HALF_LIFE_S

    def _is_guessed(self, key: BucketKey, now: float) -> bool:
        recent, part = self._recent[key], ENDS if key in self._on else 1.0
        return self.per_minute(key, now) >= part * PER_MINUTE and recent.wrong >= part * SHARE * recent.every
