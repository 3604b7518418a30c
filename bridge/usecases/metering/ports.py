"""Ports of metering: the journal, the switch and the ledger. Adapters implement them; tests pass small fakes."""

from collections.abc import AsyncIterator, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain.metering.records import Change, Incident, OpenCall, OpenStay, Stay
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.domain.metering.usage import DayUsage
from bridge.domain.metering.verification import Difference, LedgerEntry


# --- Minutes ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal: a file, identified by its content and not by its name, and the bytes read so far.

    After a colon, `file` may also identify the bytes right before the place.
    """

    file: str
    offset: int

    def earlier(self, offset: int) -> "Position":
        """Return a place where a line begins, further up in the same file.

        Other bytes come before that place, so those that identify this one are left out: the journal would not find
        them there, and would read the file again from its start.
        """
        return Position(self.file.partition(":")[0], offset)


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of the journal, without their newlines, and the position after them.

    With `may_replay`, lines from here on may be lines that were read before.
    """

    lines: Sequence[bytes]
    position: Position
    may_replay: bool = False


class Journal(Protocol):
    """The switch's own event log."""

    def read(self, position: Position | None) -> AsyncIterator[Batch]:
        """Yield batches after a position, or all if it is None, as they are written. Never ends.

        If other bytes come before the position than those that it names, its file is read again from the start.
        """


@dataclass(frozen=True, slots=True)
class Resumption:
    """Everything that the fold of a node's journal needs to go on. `position` is None for a node never seen before."""

    position: Position | None
    switch_state: SwitchState
    calls: Sequence[OpenCall]
    stays: Sequence[OpenStay]
    ended: Sequence[str] = ()
    """Channels of the current boot that have ended, the latest last."""


class Ledger(Protocol):
    """The store of calls, stays and charges."""

    async def resume(self, node: str) -> Resumption:
        """The state that was committed last. Raises Unavailable."""

    async def commit(
        self, node: str, before: Position | None, after: Position, switch_state: SwitchState, changes: Sequence[Change]
    ) -> Sequence[Incident]:
        """Write rows, charges and the new position in one transaction, or nothing.

        A commit that was carried out already (the ledger stands at `after`) is a no-op, so that one whose answer got
        lost can be repeated. Returns the incidents that only the ledger finds, such as a stay that nobody owns: each
        once, however often a commit is repeated until it succeeds.

        Raises Conflict when the ledger stands neither at `before` nor at `after`: another daemon reads the same
        journal. Raises Unavailable.
        """


class Switch(Protocol):
    """The switch: it says who is in its rooms, and writes lines of ours into its own journal."""

    async def participants(self) -> Set[str]:
        """The uniqueids of all participants in rooms. Raises Unavailable."""

    async def existing(self, channels: Set[str]) -> Set[str]:
        """The given channels that still exist. Raises Unavailable."""

    async def journal(self, word: str, about: str) -> None:
        """Write an event with its text into the journal. One that is not written is no error. Raises Unavailable."""


# --- Reading ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class StayFilter:
    """A filter of stays. None stands for any; `joined_from` and `joined_until` bound [from, until).

    `callers` are all forms in which the records may have one caller's number.
    """

    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    room_id: UUID | None = None
    conference_id: UUID | None = None
    callers: frozenset[str] | None = None
    joined_from: datetime | None = None
    joined_until: datetime | None = None
    open: bool | None = None


class Minutes(Protocol):
    """Reading the ledger."""

    async def stays(self, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None = None) -> list[Stay]:
        """Return open and closed stays in order of (joined_at, id), after a given pair."""


# --- Auditing -----------------------------------------------------------------------------------------------------
class Usage(Protocol):
    """Minutes of a day beside the usual ones. Raises Unavailable."""

    async def of_day(self, until: datetime) -> Sequence[DayUsage]:
        """The usage of each account and access number in the day before an instant."""


class History(Protocol):
    """The journal and its archives, as far back as they are still there."""

    def lines(self, since_us: int | None, until: Position) -> Iterator[bytes]:
        """Yield lines up to a place, beginning before `since_us` (µs since 1970), or with the oldest.

        Raises BridgeError when the file of that place is not there, or one cannot be read.
        """


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """A node's ledger at one instant: the place up to which its journal is committed, and everything that is open."""

    position: Position | None
    open: Sequence[LedgerEntry]


class LedgerAudit(Protocol):
    """Reads and mends the ledger of a node for an audit. Raises Unavailable."""

    async def opening(self, node: str) -> LedgerSnapshot: ...

    async def records(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[LedgerEntry]:
        """Return minute records that count and joined in [since, until), by (joining, id), after a given pair."""

    async def calls(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[LedgerEntry]:
        """Return calls that are over and came in [since, until), by (arrival, id), after a given pair."""

    async def mend(self, node: str, found: Sequence[Difference]) -> None:
        """Mend differences without an `unmendable` in one transaction: by new rows, never by changing one."""
