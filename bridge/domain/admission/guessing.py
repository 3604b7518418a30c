"""The chance that an entry opens something by guessing, and how much of it an installation allows a month."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bridge.domain.admission.bucket import DAY_S, BucketKind, BucketPolicy

MONTH_S: Final = 30 * DAY_S
PIN_LEAST: Final = 6
"""No PIN has fewer digits."""
PIN_ODDS: Final = 10.0**-PIN_LEAST
"""The chance that a guess is the PIN."""
BURST_ENTRIES: Final = 2_000
"""So many wrong entries in a row, of the odds that the operator allows, wait for nothing."""
ACCESS_NUMBER_SHARE: Final = 0.6
"""The most that the callers of one access number may use of what the installation may."""
RESERVE: Final = 0.1
"""The share of a node's lot that is kept for known callers, and the most that those of one sub-account may use of what
the installation may: whoever buys known numbers must not keep all others waiting."""
FIRST: Final = 0.3
"""The share of a lot that a node without a stored one begins with, so that it serves while Postgres is away."""
OWN_BURST: Final = 10.0
OWN_MOST: Final = 30.0
OWN_PER_S: Final = 10 / 60
"""A caller's number: ten wrong entries at once and ten a minute; right ones save up to 30."""
TRUNK_BURST: Final = 30.0
PIN_BURST: Final = 20.0
PIN_MOST: Final = 40.0
PIN_CREDIT: Final = 0.25
"""The PIN of a passcode: 20 wrong ones a day, and one more for each four right ones."""


def chance(lengths: Mapping[int, int], keyed: int) -> float:
    """The chance that a guess of `keyed` digits opens something, where it is matched at every length up to its own.

    `lengths` are the numbers of live codes by their length.

    >>> chance({9: 16, 10: 100}, 8), chance({9: 16, 10: 100}, 9), chance({9: 16, 10: 100}, 12)
    (0.0, 1.6e-08, 2.6e-08)
    """
    return float(sum(codes / 10**length for length, codes in lengths.items() if length <= keyed))


def chance_of(lengths: Mapping[int, int], keyed: int, whole: bool) -> float:
    """The chance of a guess, as `chance` returns it; `whole`: where it is matched at its own length alone."""
    return float(lengths.get(keyed, 0) / 10**keyed) if whole else chance(lengths, keyed)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The expected openings by guessing that an installation allows.

    `odds` is the chance that one entry opens something, and `a_month` the sum of the chances of all wrong entries in 30
    days.
    """

    odds: float = 1e-7
    a_month: float = 0.1

    def fitted(self, worst: float) -> "Allowance":
        """An allowance where one entry may open something with a chance of `worst`, since codes are too short.

        The burst then holds as many entries as else, a tenth of a month at most: honest callers must not wait at nine
        o'clock. A month allows no more for it.
        """
        return replace(self, odds=max(self.odds, worst))

    @property
    def burst(self) -> float:
        """The expected openings that may be spent at once."""
        return min(self.odds * BURST_ENTRIES, self.a_month / 10)

    @property
    def per_s(self) -> float:
        """The expected openings that may be spent a second: with the burst they make up what is allowed a month."""
        return (self.a_month - self.burst) / MONTH_S

    @property
    def lot(self) -> float:
        """The most that one node draws ahead: half of the burst. The other half stays in Postgres."""
        return self.burst / 2

    def policies(self) -> Mapping[BucketKind, BucketPolicy]:
        """The policy of each kind of bucket on a node. The node's lot is filled from Postgres, not by time."""
        number = ACCESS_NUMBER_SHARE * self.lot
        return {
            BucketKind.CALLER: BucketPolicy(OWN_BURST, OWN_PER_S, OWN_MOST),
            BucketKind.TRUNK: BucketPolicy(TRUNK_BURST, OWN_PER_S, TRUNK_BURST),
            BucketKind.PASSCODE: BucketPolicy(PIN_BURST, PIN_BURST / DAY_S, PIN_MOST),
            BucketKind.ACCESS_NUMBER: BucketPolicy(number, ACCESS_NUMBER_SHARE * self.per_s, number),
            BucketKind.KNOWN: BucketPolicy(RESERVE * self.lot, RESERVE * self.per_s, RESERVE * self.lot),
            # More than a lot is in it when slots are given back after a draw. The next draw is so much smaller.
            BucketKind.INSTALLATION: BucketPolicy(self.lot, 0.0, 2 * self.lot),
        }

    @property
    def stock(self) -> BucketPolicy:
        """The policy of what Postgres keeps for all nodes."""
        return BucketPolicy(self.burst - self.lot, self.per_s, self.burst - self.lot)
