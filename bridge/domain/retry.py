"""Delays between attempts at something that is away: each twice as long as the one before, up to the longest."""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

JITTER: Final = 0.2
"""Each delay is stretched or shortened by up to this fraction, so that many who lost the same server don't come back to
it at the same instant."""
_MOST_DOUBLINGS: Final = 60


def delay(attempts: int, first_s: float, longest_s: float, chance: float) -> float:
    """Return the seconds to wait after so many failed attempts, 1 or more. `chance` is random in [0, 1)."""
    doubled = first_s * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS)  # a float overflows after 1,023 doublings
    return min(longest_s, doubled) * (1 - JITTER + 2 * JITTER * chance)


def delays(first_s: float, longest_s: float, chance: Callable[[], float]) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt, without end. Begin a new iterator after a success."""
    for attempts in itertools.count(1):  # pragma: no branch -- the count never ends
        yield delay(attempts, first_s, longest_s, chance())
