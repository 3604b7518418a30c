"""Callers who were admitted lately: the wrong guesses of others don't make them wait."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.admission.throttle import DAY_S

RECENT_S: Final = 30 * DAY_S
MOST: Final = 100_000


class RecentCallers:
    """Caller numbers (digits) with the time of each one's last admission, the latest last; at most `most` of them.

    Times are in seconds since 1970. `changed` holds what has to be stored: number → time, or None for a number that has
    to be deleted.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._admitted: dict[str, float] = {}
        self.changed: dict[str, float | None] = {}

    def __len__(self) -> int:
        return len(self._admitted)

    def restore(self, admitted: Mapping[str, float]) -> None:
        """Take in what was stored before a restart."""
        self._admitted.update(sorted(admitted.items(), key=lambda item: item[1]))

    def admitted(self, number: str, now: float) -> None:
        """Note that a caller with this number was admitted. At most one note a day is kept, to spare the disk."""
        if not number or now - self._admitted.get(number, 0.0) < DAY_S:
            return
        self._admitted.pop(number, None)
        self._admitted[number] = self.changed[number] = now
        if len(self._admitted) > self._most:
            self._forget(next(iter(self._admitted)))

    def has(self, number: str, now: float) -> bool:
        """Return True if this number was admitted within the last RECENT_S."""
        at = self._admitted.get(number)
        return at is not None and now - at < RECENT_S

    def fade(self, now: float) -> None:
        """Forget numbers that were not admitted within the last RECENT_S."""
        for number in [number for number, at in self._admitted.items() if now - at >= RECENT_S]:
            self._forget(number)

    def _forget(self, number: str) -> None:
        del self._admitted[number]
        self.changed[number] = None
