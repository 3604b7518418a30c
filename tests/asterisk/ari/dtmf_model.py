"""The way in which Asterisk's `__ast_read` (main/channel.c) treats keys, to make the reports that it would send.

Times are in ms. Voice comes each 20 ms; while a network stalls, everything waits, and then comes at once.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SHORTEST_PAUSE, SHORTEST_KEY, FRAME = 45, 80, 20


@dataclass(frozen=True, slots=True)
class Press:
    """One key as a telephone sends it: its length, and the pause after it."""

    key: str
    length: int = 80
    pause: int = 80


@dataclass(frozen=True, slots=True)
class Packet:
    """A frame of the caller's stream. Voice has no key."""

    at: int
    kind: Literal["begin", "end", "voice"]
    key: str = ""


def packets(presses: Iterable[Press], stalls: Sequence[tuple[int, int]] = ()) -> list[Packet]:
    """The stream of these keys as it arrives. A stall is (begin, length): what is sent within it comes at its end."""
    sent, at = [], 100
    for press in presses:
        sent += [Packet(at, "begin", press.key), Packet(at + press.length, "end", press.key)]
        at += press.length
        sent += [Packet(voice, "voice") for voice in range(at + FRAME, at + press.pause, FRAME)]
        at += press.pause
    sent += [Packet(voice, "voice") for voice in range(at, at + 2000, FRAME)]

    def arrives(at: int) -> int:
        return max([at, *(begin + length for begin, length in stalls if begin <= at < begin + length)])

    return [Packet(arrives(packet.at), packet.kind, packet.key) for packet in sent]


class Asterisk:
    """One channel. `reports` are (time, key), in the order of ARI's events."""

    def __init__(self, stream: Iterable[Packet]) -> None:
        self._stream = deque(stream)
        self._put_back: deque[str] = deque()
        self._in_key = self._playing = False
        self._since: int | None = None
        self._plays_for = 0
        self.reports: list[tuple[int, str]] = []

    def run(self) -> list[tuple[int, str]]:
        """Read everything, and return the reports."""
        now = 0
        while self._stream or self._put_back:
            if self._put_back and self._is_free(now):
                self._end(now, self._put_back.popleft())
            elif self._put_back:
                self._pass(now, voice=False)
                now += 1
            else:
                packet = self._stream.popleft()
                now = max(now, packet.at)
                match packet.kind:
                    case "begin":
                        self._begin(now)
                    case "end":
                        self._end(now, packet.key)
                    case "voice":
                        self._pass(now, voice=True)
        return self.reports

    def _is_free(self, now: int) -> bool:
        return not self._playing and not self._is_too_soon(now)

    def _is_too_soon(self, now: int) -> bool:
        return self._since is not None and now - self._since < SHORTEST_PAUSE

    def _begin(self, now: int) -> None:
        if self._is_free(now):
            self._in_key, self._since = True, now

    def _end(self, now: int, key: str) -> None:
        self.reports.append((now, key))
        if self._playing or (not self._in_key and self._is_too_soon(now)):
            self._put_back.append(key)
        elif not self._in_key:
            self._playing, self._plays_for, self._since = True, SHORTEST_KEY, now
        else:
            assert self._since is not None
            self._in_key, length = False, now - self._since
            if length < SHORTEST_KEY:
                self._playing, self._plays_for = True, SHORTEST_KEY - length
            else:
                self._since = now

    def _pass(self, now: int, voice: bool) -> None:
        """A frame of voice, or none at all, goes by: a key that is played out may end."""
        assert self._since is not None or not self._playing
        if self._playing and not self._plays_for:
            self._playing = False
        if self._playing and self._since is not None and now - self._since >= self._plays_for:
            self._plays_for, self._since = 0, now
            self._playing = voice
