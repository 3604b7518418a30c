"""Journals folded for tests, and what comes out of them by its kind."""

from collections.abc import Iterable

from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Call, Change, Incident, MinuteRecord
from tests.domain.metering.journals import SECOND, line

RTP_TIMEOUT = 60 * SECOND


def fold(lines: Iterable[bytes], state: Fold | None = None) -> list[Change]:
    state = state or Fold("n", RTP_TIMEOUT)
    return [change for found in lines for fact in journal_line.read(found) for change in state.apply(fact)]


def records(changes: Iterable[Change]) -> list[MinuteRecord]:
    return [change for change in changes if isinstance(change, MinuteRecord)]


def calls(changes: Iterable[Change]) -> list[Call]:
    return [change for change in changes if isinstance(change, Call)]


def incidents(changes: Iterable[Change]) -> list[str]:
    return [change.kind for change in changes if isinstance(change, Incident)]


def merged(*streams: list[bytes]) -> list[bytes]:
    """Lines of several streams in order of their times, as one Asterisk writes them."""
    return sorted((found for stream in streams for found in stream), key=lambda found: journal_line.parse(found).at)  # type: ignore[union-attr]


def word(event: str, at: int, about: str) -> bytes:
    """A line that the daemon writes by the heartbeat's channel: PRESENT or ABSENT."""
    return line(event, at, "n-5.0", {"extra": about}, channame="Local/boot@heart-00000007;1")
