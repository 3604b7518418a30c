"""Callers who were let in lately: others' wrong guesses don't make them wait."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.admission.throttle import DAY_S

RECENT_S: Final = 30 * DAY_S
MOST: Final = 100_000


class RecentCallers:
    """Numbers (digits) and when each was last let in, in seconds since 1970; the latest last. At most `most` of them.

    `changed` has what is to be stored anew: None for one that is to be forgotten.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._admitted: dict[str, float] = {}
        self.changed: dict[str, float | None] = {}

    def __len__(self) -> int:
        return len(self._admitted)

    def restore(self, admitted: Mapping[str, float]) -> None:
        """Take in what was stored."""
        self._admitted.update(sorted(admitted.items(), key=lambda item: item[1]))

    def admitted(self, number: str, now: float) -> None:
        """Somebody with that number was let in. Once a day is worth a note."""
        if not number or now - self._admitted.get(number, 0.0) < DAY_S:
            return
        self._admitted.pop(number, None)
        self._admitted[number] = self.changed[number] = now
        if len(self._admitted) > self._most:
            self._forget(next(iter(self._admitted)))

    def has(self, number: str, now: float) -> bool:
        """Whether that number was let in within REGULAR_S."""
        at = self._admitted.get(number)
        return at is not None and now - at < RECENT_S

    def fade(self, now: float) -> None:
        """Forget those who have not been let in for long."""
        for number in [number for number, at in self._admitted.items() if now - at >= RECENT_S]:
            self._forget(number)

    def _forget(self, number: str) -> None:
        del self._admitted[number]
        self.changed[number] = None
