"""Who is in a room by the journal, against who is there: a difference that lasts is more than an event on its way."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

ROUNDS: Final = 3
"""Comparisons in a row that a difference must outlast."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Channels (by uniqueid), and for how many comparisons each has differed."""

    absent: Mapping[str, int] = field(default_factory=dict)
    """Open in the journal, but in no room."""
    unseen: Mapping[str, int] = field(default_factory=dict)
    """In a room, but not in the journal."""

    def after(self, recorded: Set[str], present: Set[str]) -> "Differences":
        """What differs once both sides have been looked at again."""
        return Differences(
            {channel: self.absent.get(channel, 0) + 1 for channel in recorded - present},
            {channel: self.unseen.get(channel, 0) + 1 for channel in present - recorded},
        )


def lasting(differing: Mapping[str, int]) -> list[str]:
    """Those that have just outlasted what events on their way explain, in order; each is named once."""
    return sorted(channel for channel, rounds in differing.items() if rounds == ROUNDS)
