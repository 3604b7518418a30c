"""Compares the channels that the journal has with the channels that exist. A difference that lasts is a real one."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

ROUNDS: Final = 3
"""So many comparisons in a row must show a difference: a shorter one is only an event on its way."""


@dataclass(frozen=True, slots=True)
class JournaledChannels:
    """Channels (by uniqueid) as the journal's last line leaves them."""

    inside: Set[str]
    """In a room."""
    waiting: Set[str]
    """Not hung up, but in no room."""
    doubtful: Set[str]
    """In a room by the journal, though their end may be hidden by a damaged part of it."""


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
        """The differences after one more comparison."""
        return RoomDifferences(
            _counted(self.absent, recorded.inside - present),
            _counted(self.unseen, present - recorded.inside),
            _counted(self.gone, recorded.waiting - present - existing),
        )


def lasting(differing: Mapping[str, int]) -> list[str]:
    """The channels whose difference has lasted ROUNDS comparisons, in order, and again after each further ROUNDS."""
    return sorted(channel for channel, rounds in differing.items() if rounds % ROUNDS == 0)


def _counted(before: Mapping[str, int], differing: Set[str]) -> dict[str, int]:
    return {channel: before.get(channel, 0) + 1 for channel in differing}
