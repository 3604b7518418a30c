"""What the journal says of channels, against what there is: what differs for long is more than an event on its way."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

ROUNDS: Final = 3
"""Comparisons in a row that a difference must outlast."""


@dataclass(frozen=True, slots=True)
class JournaledChannels:
    """Channels (by uniqueid) as the journal's last line leaves them."""

    inside: Set[str]
    """In a room."""
    waiting: Set[str]
    """Not hung up, but in no room."""
    doubtful: Set[str]
    """Those inside whose end may be hidden by what is missing of the journal."""


@dataclass(frozen=True, slots=True)
class RoomDifferences:
    """Channels, and for how many comparisons each has differed."""

    absent: Mapping[str, int] = field(default_factory=dict)
    """Inside by the journal, but in no room."""
    unseen: Mapping[str, int] = field(default_factory=dict)
    """In a room, but not by the journal."""
    gone: Mapping[str, int] = field(default_factory=dict)
    """Not hung up by the journal, but not there any more."""

    def after(self, recorded: JournaledChannels, present: Set[str], existing: Set[str]) -> "RoomDifferences":
        """What differs once both sides have been looked at again."""
        return RoomDifferences(
            _counted(self.absent, recorded.inside - present),
            _counted(self.unseen, present - recorded.inside),
            _counted(self.gone, recorded.waiting - present - existing),
        )


def lasting(differing: Mapping[str, int]) -> list[str]:
    """Those that have just outlasted what events on their way explain, in order; each is named again now and then."""
    return sorted(channel for channel, rounds in differing.items() if rounds % ROUNDS == 0)


def _counted(before: Mapping[str, int], differing: Set[str]) -> dict[str, int]:
    return {channel: before.get(channel, 0) + 1 for channel in differing}
