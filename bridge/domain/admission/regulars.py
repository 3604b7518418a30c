"""Regulars: callers' numbers that were admitted into the rooms of a sub-account on several days.

A sub-account knows its regulars, as it knows the callers that it has named. That helps them with its own codes alone.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from bridge.domain.admission.bucket import DAY_S

DAYS: Final = 3
"""A number is a regular from its third day on."""
REMEMBERED_S: Final = 30 * DAY_S
MOST: Final = 100_000
SHARE: Final = 10
"""One sub-account has at most one in so many of all numbers that are kept."""


class Visitor(NamedTuple):
    """A caller's number in the rooms of a sub-account (its id)."""

    number: str
    sub_account_id: str


@dataclass(frozen=True, slots=True)
class Visits:
    """The days on which a number was admitted, counted, and the time of the last such day's first admission."""

    days: int
    at: float

    def lately(self, now: float) -> bool:
        """Return True if the last visit is not long ago. A time in the future is due to a clock that was set back."""
        return abs(now - self.at) < REMEMBERED_S


class Regulars:
    """All visitors of a node, `most` of them at most. Times are in seconds since 1970.

    `changed` holds what has to be stored: visitor → visits, or None for one that has to be deleted.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._visits: dict[str, dict[str, Visits]] = {}
        self._by_sub_account: Counter[str] = Counter()
        self.changed: dict[Visitor, Visits | None] = {}

    def __len__(self) -> int:
        return self._by_sub_account.total()

    def restore(self, visits: Mapping[Visitor, Visits]) -> None:
        """Take in what was stored before a restart."""
        for visitor, each in visits.items():
            self._put(visitor, each)

    def admitted(self, visitor: Visitor, now: float) -> None:
        """Note that a caller was admitted. At most one note a day is kept, to spare the disk."""
        if not visitor.number:
            return
        before = self._visits.get(visitor.number, {}).get(visitor.sub_account_id)
        if before is not None and abs(now - before.at) < DAY_S:
            return
        days = before.days + 1 if before is not None and before.lately(now) else 1
        self._put(visitor, Visits(days, now))
        self.changed[visitor] = Visits(days, now)
        if self._by_sub_account[visitor.sub_account_id] > self._most // SHARE:
            self._drop_some(visitor.sub_account_id)
        elif len(self) > self._most:
            self._drop_some(None)

    def known_by(self, number: str, now: float) -> frozenset[str]:
        """The sub-accounts of which this number is a regular."""
        visits = self._visits.get(number)
        if not visits:
            return frozenset()
        return frozenset(each for each, one in visits.items() if one.days >= DAYS and one.lately(now))

    def fade(self, now: float) -> None:
        """Forget numbers that were not admitted lately."""
        for visitor, visits in self._all():
            if not visits.lately(now):
                self._forget(visitor)

    def _all(self) -> list[tuple[Visitor, Visits]]:
        return [
            (Visitor(number, sub_account_id), one)
            for number, visits in self._visits.items()
            for sub_account_id, one in visits.items()
        ]

    def _put(self, visitor: Visitor, visits: Visits) -> None:
        theirs = self._visits.setdefault(visitor.number, {})
        self._by_sub_account[visitor.sub_account_id] += visitor.sub_account_id not in theirs
        theirs[visitor.sub_account_id] = visits

    def _drop_some(self, sub_account_id: str | None) -> None:
        """Drop a tenth of the visitors (of one sub-account, if one is given): the oldest who are no regulars first."""
        every = [each for each in self._all() if sub_account_id in (None, each[0].sub_account_id)]

        def worth(each: tuple[Visitor, Visits]) -> tuple[bool, float]:
            return each[1].days >= DAYS, each[1].at

        for visitor, _ in heapq.nsmallest(max(1, len(every) // 10), every, key=worth):
            self._forget(visitor)

    def _forget(self, visitor: Visitor) -> None:
        theirs = self._visits[visitor.number]
        del theirs[visitor.sub_account_id]
        if not theirs:
            del self._visits[visitor.number]
        self._by_sub_account[visitor.sub_account_id] -= 1
        self.changed[visitor] = None
