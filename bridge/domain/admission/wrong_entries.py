"""Wrong entries of the last day: keyed again, the same digits are wrong again and cost no slot."""

from typing import Final

from bridge.domain.admission.bucket import DAY_S

MOST: Final = 100_000


class WrongEntries:
    """Keyed hashes of wrong entries with the time of each, the latest last; at most `most` of them.

    Whoever asks must have looked the digits up: a code may have been made of them since.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, entry: bytes, now: float) -> None:
        """Note a wrong entry."""
        self._seen.pop(entry, None)
        self._seen[entry] = now
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]

    def has(self, entry: bytes, now: float) -> bool:
        """Return True if the entry was wrong within the last day."""
        at = self._seen.get(entry)
        return at is not None and 0 <= now - at < DAY_S
