"""Lengths of passcodes: how many live codes each length may hold, so that one entry rarely opens anything.

A caller's entry is matched at every length that it passes. So the odds that it opens something are the sum over all
lengths L of (live codes of L digits) / 10^L. That sum never exceeds the guess odds, because every length has a share of
them that the others can't use:

- Each of the first LENGTHS_WITH_A_SHARE lengths has a sixth of the odds.
- All longer lengths together have the last sixth. The first of them takes nine tenths of it, the next nine tenths of
  what is left, and so on: that is the same number of codes each time.

A new code is as long as the longest live one, or longer. So no live code begins with a new one, and all that has to be
looked up is whether a new code begins with a live one. Imported codes are outside these rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from bridge.domain.errors import Conflict

IMPORT_LEAST: Final = 4
"""No passcode has fewer digits. The operator may import such short ones; all others are longer."""
MAX_LENGTH: Final = 16
LENGTHS_WITH_A_SHARE: Final = 5
_SHARES: Final = LENGTHS_WITH_A_SHARE + 1
_FIRST_LEAST: Final = 10
"""The first length holds at least so many codes: shorter ones would hold too few to be worth their share."""
_OF_THE_REST: Final = Fraction(9, 10)

LiveCodes = Mapping[int, int]
"""The number of live codes by their length."""


@dataclass(frozen=True, slots=True)
class CodeLengths:
    """The lengths that new codes get. `guess_odds` bounds the odds that one entry opens anything."""

    guess_odds: Fraction

    @property
    def first(self) -> int:
        """The length of the first codes."""
        share = self.guess_odds / _SHARES
        return next(length for length in range(MAX_LENGTH) if share * 10**length >= _FIRST_LEAST)

    def most(self, length: int) -> int:
        """Return how many live codes of a length there may be."""
        first = self.first
        if not first <= length <= MAX_LENGTH:
            return 0
        of_the_rest = length - first >= LENGTHS_WITH_A_SHARE
        share = self.guess_odds / _SHARES * (_OF_THE_REST if of_the_rest else 1)
        return int(share * 10 ** min(length, first + LENGTHS_WITH_A_SHARE))

    def of_new(self, live: LiveCodes, count: int = 1) -> list[int]:
        """Return the lengths of `count` new codes, in their order: one length is filled before the next one begins.

        Raises Conflict if no length has a place left.
        """
        lengths: list[int] = []
        for length in range(max(self.first, longest(live)), MAX_LENGTH + 1):
            free = max(0, self.most(length) - live.get(length, 0))
            lengths += [length] * min(free, count - len(lengths))
        if len(lengths) < count:
            raise Conflict(
                f"there is no place for {'another passcode' if count == 1 else 'so many passcodes'}: revoke passcodes "
                "that are not needed, the longest first, or have the operator raise BRIDGE_GUESS_ODDS"
            )
        return lengths

    def next(self, live: LiveCodes) -> int | None:
        """Return the length of the next new code, None if no length has a place left."""
        try:
            return self.of_new(live)[0]
        except Conflict:
            return None

    def fit(self, live: LiveCodes, new: Iterable[int]) -> bool:
        """Return True if codes of these lengths may be added to the live ones."""
        added = Counter(new)
        return min(added, default=MAX_LENGTH) >= longest(live) and all(
            live.get(length, 0) + count <= self.most(length) for length, count in added.items()
        )

    def overfull(self, live: LiveCodes) -> LiveCodes:
        """Return the lengths that hold more live codes than they may, each with all its codes.

        Codes made before this rule, and imported ones, are there. Replacing them by new codes brings the odds down.
        """
        return {length: count for length, count in live.items() if count > self.most(length)}


DEFAULT: Final = CodeLengths(Fraction(1, 10**7))


def longest(live: LiveCodes) -> int:
    """Return the length of the longest live codes, 0 if there are none."""
    return max(live, default=0)


def odds(live: LiveCodes) -> Fraction:
    """Return the odds that one random entry opens anything."""
    return Fraction(sum(count * 10 ** (MAX_LENGTH - length) for length, count in live.items()), 10**MAX_LENGTH)


def in_words(chance: Fraction) -> str:
    """Return odds as people read them, such as "1 in 10,000,000"."""
    return f"1 in {round(1 / chance):,}" if chance else "none"
