"""The keys of one channel, each once and in order, though Asterisk may report a key twice.

Asterisk reports a key when it receives the key's end. Then it may put the key back: because it still plays an earlier
key out, which takes PLAYED_S, or because the pause since that key is shorter than PAUSE_S. When it takes the key up
again, it reports it again. This happens whenever the network delivers several keys at once.

    Time since the key that counted last    Meaning of a report
    under PAUSE_S                           Put back, or reported again: it counts only when it is reported again.
    PAUSE_S to AGAIN_S, and the same key    Reported again: it does not count. Asterisk put it back after all.
    PAUSE_S to DOUBTFUL_S                   Put back, or from a fast dialler. It counts when the same key is reported
                                            again, when another key is, or when the time is SETTLED_S.
    longer                                  It counts.

Source: `__ast_read` in Asterisk's main/channel.c (AST_MIN_DTMF_GAP, option `mindtmfduration`).
"""

from typing import Final

PAUSE_S: Final = 0.044
AGAIN_S: Final = 0.049
PLAYED_S: Final = 0.080
DOUBTFUL_S: Final = PAUSE_S + PLAYED_S + 0.020
"""Asterisk looks at the clock when audio comes, each 20 ms."""
SETTLED_S: Final = 0.185
"""Late enough for a key that was put back, and earlier than the second next key of the fastest dialler."""


class KeyPresses:
    """Times are in seconds of Asterisk's own clock, which is seldom set back."""

    def __init__(self) -> None:
        self._counted = ""
        self._counted_at: float | None = None
        self._doubtful: tuple[str, float] | None = None
        self._put_back: str | None = None

    def settles_at(self) -> float | None:
        """The time at which `settled` has a key to return, None if no key is in doubt."""
        return None if self._doubtful is None or self._counted_at is None else self._counted_at + SETTLED_S

    def reported(self, key: str, at: float) -> list[str]:
        """Take in one report. Returns the keys that count now: none, one, or two."""
        keys = self.settled(at)
        if self._doubtful is not None:
            if self._doubtful[0] == key:
                return [self._count(key, at)]
            keys = self._settle()
        since = None if self._counted_at is None else at - self._counted_at
        if since is None or since < 0 or since >= DOUBTFUL_S or self._put_back == key:
            return [*keys, self._count(key, at)]
        if since < PAUSE_S:
            self._put_back = key
        elif key == self._counted and since < AGAIN_S:
            self._counted_at = at
        else:
            self._doubtful = (key, at)
        return keys

    def settled(self, now: float) -> list[str]:
        """Return the key that was in doubt and counts by now, if there is one."""
        at = self.settles_at()
        return self._settle() if at is not None and now >= at else []

    def _settle(self) -> list[str]:
        return [] if self._doubtful is None else [self._count(*self._doubtful)]

    def _count(self, key: str, at: float) -> str:
        self._counted, self._counted_at, self._doubtful, self._put_back = key, at, None, None
        return key
