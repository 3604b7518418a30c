"""Who is about to join a room: their own line says when they did, and where that is lost, this is what is known."""

from dataclasses import dataclass

from bridge.domain.metering.journal_line import Entering


@dataclass(frozen=True, slots=True)
class Arrival:
    """A channel that is in a room from `by_us` on (µs since 1970), if it joined at all.

    `fact` is the line that led to it: it joined no earlier, and as whom that names. None where it is lost.
    """

    uniqueid: str
    by_us: int
    fact: Entering | None = None
