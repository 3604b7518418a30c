"""Usage of the last day beside what is usual: whoever pumps traffic through a leaked passcode shows here first."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TIMES: Final = 3
"""So many times the usual minutes a day are unusual."""


class UsageKind(StrEnum):
    """A kind of thing that minutes are added up by."""

    ACCOUNT = "account"
    ACCESS_NUMBER = "access_number"


@dataclass(frozen=True, slots=True)
class DayUsage:
    """The minutes of participants within a day, and a day's usual ones, of an account (its id) or an access number."""

    kind: UsageKind
    value: str
    minutes: int
    usual: int

    def is_unusual(self, least: int) -> bool:
        """Return True for more than TIMES the usual minutes, and more than `least`."""
        return self.minutes > max(least, TIMES * self.usual)
