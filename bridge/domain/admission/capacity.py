"""The audio ports of a node: who may still take one, when many call at once.

A call holds ports from its first ring on, before anybody knows whether its caller has a passcode. So callers in the
dialogue are limited, by trunk, by access number and by their own number, and a few ports are kept for callers whom a
sub-account knows. Beyond that a call is refused unanswered.
"""

from collections import Counter
from typing import Final

from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.slots import CallSource

RESERVE: Final = 0.1
"""The share of all calls that is kept for callers whom a sub-account knows."""
OF_TRUNK: Final = 0.5
OF_NUMBER: Final = 0.5
OF_CALLER: Final = 0.25
"""The largest shares of all calls that may be in the dialogue over one trunk, on one access number, and of one caller's
number. Everybody else gets in while one of them is flooded."""


class Capacity:
    """The calls of a node, and the number that its audio ports allow."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self._dialogues: dict[str, CallSource] = {}
        self._by: Counter[tuple[str, str]] = Counter()

    @property
    def dialogues(self) -> int:
        """The callers who are in the dialogue."""
        return len(self._dialogues)

    def left(self, inside: int) -> float:
        """The share of all calls that may still come, with so many callers in rooms."""
        return 1 - (inside + self.dialogues) / self.calls

    def is_short(self, inside: int) -> bool:
        """Return True if only known callers may still come."""
        return self.calls - inside - self.dialogues < RESERVE * self.calls

    def of_trunk(self, source: CallSource) -> int:
        """The callers who are in the dialogue over the same trunk."""
        return self._by["trunk", _trunk(source)]

    def begin(self, uniqueid: str, source: CallSource) -> None:
        """Note that a caller has come into the dialogue."""
        self.end(uniqueid)
        self._dialogues[uniqueid] = source
        self._by.update(_counted_by(source))

    def end(self, uniqueid: str) -> None:
        """Note that a caller has left the dialogue, into a room or away."""
        source = self._dialogues.pop(uniqueid, None)
        if source is not None:
            self._by.subtract(_counted_by(source))
            self._by += Counter()

    def refusal(self, source: CallSource, inside: int) -> Refusal | None:
        """The reason to refuse a caller who has just come into the dialogue, None if there is room.

        `inside` is the number of callers in rooms. Known callers are refused only if their own number has too many.
        """
        if source.caller and self._by["caller", source.caller] > OF_CALLER * self.calls:
            return Refusal.TOO_MANY_DIALOGUES
        if source.known_by:
            return None
        by_trunk, by_number = self.of_trunk(source), self._by["number", source.access_number]
        if by_trunk > OF_TRUNK * self.calls or by_number > OF_NUMBER * self.calls:
            return Refusal.TOO_MANY_DIALOGUES
        return Refusal.NODE_FULL if self.is_short(inside) else None


def _trunk(source: CallSource) -> str:
    return str(source.trunk_id) if source.trunk_id else source.trunk


def _counted_by(source: CallSource) -> list[tuple[str, str]]:
    own = [("caller", source.caller)] if source.caller else []
    return [("trunk", _trunk(source)), ("number", source.access_number), *own]
