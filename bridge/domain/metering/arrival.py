"""A channel that is about to join a room, for the case that the line of its join is lost."""

from dataclasses import dataclass

from bridge.domain.metering.journal_line import Entering


@dataclass(frozen=True, slots=True)
class Arrival:
    """A channel that is in a room from `by_us` on (µs since 1970), if it joined at all.

    `fact` is the APP_START line: the channel joined no earlier than that line, as the owner that it names. `fact` is
    None where that line is lost. The field names are stored in the ledger (column `pulse`).
    """

    uniqueid: str
    by_us: int
    fact: Entering | None = None
