"""Verifies the ledger: folds a period from the journal alone, and compares it with the rows that count."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bridge.domain.metering import journal_line, verification
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.journal_line import Alive, Fact, Garbage
from bridge.domain.metering.records import Call, Change, Incident, MinuteRecord
from bridge.domain.metering.verification import (
    MARGIN_US,
    Comparison,
    JournalCoverage,
    JournalEntry,
    LedgerEntry,
    Span,
    Verification,
)
from bridge.usecases.metering.ports import History, LedgerAudit

PAGE: Final = 5_000
LINES: Final = 50_000
"""So many lines are folded before the next part of the ledger is read."""
SILENCE_US: Final = 10_000_000
"""A heartbeat is due twice a second: where no line was written for so long, lines may have been lost."""
BLUR_US: Final = 2_000_000
"""A hole may hide lines so long before and after it."""

Page = Callable[[str, int, int, int, tuple[int, UUID] | None], Awaitable[Sequence[LedgerEntry]]]


@dataclass(frozen=True, slots=True)
class VerificationScope:
    """The node, the settings that its journal is folded with, and the period."""

    node: str
    rtp_timeout_us: int
    longest_stay_us: int
    span: Span


async def verify_journal(  # noqa: C901 -- one pass over journal and ledger, read in step
    journal: History,
    audit: LedgerAudit,
    scope: VerificationScope,
    on_progress: Callable[[int, int], None] = lambda lines, at_us: None,
) -> Verification:
    """Compare journal and ledger up to the place that is committed.

    `on_progress` gets the number of lines folded, and the time of the last in µs since 1970.

    Raises BridgeError when the journal cannot be read up to there, Unavailable.
    """
    opening = await audit.opening(scope.node)
    comparison, coverage = Comparison(scope.span), _CoverageTracker()
    if opening.position is None:
        return Verification((), 0, 0, 0, None)
    wide = scope.span.widened
    fold = Fold(scope.node, scope.rtp_timeout_us)
    feeds = [_Feed(scope.node, audit.records), _Feed(scope.node, audit.calls)]

    uncovered = 0

    async def read_ledger(until_us: int) -> None:
        nonlocal uncovered
        # Without a beginning, the comparison begins where the journal does.
        known_us = (coverage.since_us or 0) - MARGIN_US
        for feed in feeds:
            since_us = known_us if wide.since_us is None else wide.since_us
            async for row in feed.up_to(since_us, until_us if wide.until_us is None else min(until_us, wide.until_us)):
                if row.at_us >= known_us:
                    comparison.ledger(row)
                elif scope.span.holds(row.at_us):
                    uncovered += 1

    since_us = None if wide.since_us is None else max(0, wide.since_us - scope.longest_stay_us)
    for number, line in enumerate(journal.lines(since_us, opening.position), 1):
        for fact in journal_line.read(line):
            changes = fold.apply(fact)
            coverage.see(fact, changes)
            for change in changes:
                if isinstance(change, MinuteRecord | Call):
                    comparison.journal(change)
        if number % LINES == 0:
            on_progress(number, coverage.until_us)
            await read_ledger(coverage.until_us)
            if _is_over(fold, coverage.until_us, wide.until_us):
                break
    if coverage.since_us is None:
        return Verification((), 0, 0, 0, None)
    await read_ledger(coverage.until_us)
    return comparison.finish(_going(fold), opening.open, coverage.extent, uncovered)


def _is_over(fold: Fold, at_us: int, until_us: int | None) -> bool:
    """Return True if no entry of the period can come any more."""
    if until_us is None or at_us < until_us + MARGIN_US:
        return False
    return all(verification.began_us(going) >= until_us for going in _going(fold))


def _going(fold: Fold) -> list[JournalEntry]:
    return [*fold.stays, *fold.calls]


@dataclass(slots=True)
class _Feed:
    """The rows of one kind in order of their beginning, read page by page."""

    node: str
    page: Page
    _after: tuple[int, UUID] | None = field(default=None, init=False)

    async def up_to(self, since_us: int, until_us: int) -> AsyncIterator[LedgerEntry]:
        """Yield rows that began in [since, until) and were not yielded yet."""
        while True:
            page = await self.page(self.node, since_us, until_us, PAGE, self._after)
            for row in page:
                self._after = (row.at_us, row.id)
                yield row
            if len(page) < PAGE:
                return


class _CoverageTracker:
    """Tracks which time the journal covers, and where something may be missing."""

    def __init__(self) -> None:
        self.since_us: int | None = None
        self.until_us = 0
        self._last_us = self._alive_us = 0
        self._holes: list[tuple[int, int]] = []

    @property
    def extent(self) -> JournalCoverage:
        return JournalCoverage(self.since_us or 0, self.until_us, tuple(verification.merged(self._holes)))

    def see(self, fact: Fact | Garbage, changes: Sequence[Change]) -> None:
        """Take in the next fact, and its changes."""
        if isinstance(fact, Garbage):
            self._hole(self._last_us, self._last_us)
            return
        if self.since_us is None:
            self.since_us = self._last_us = self._alive_us = fact.at
        if fact.at - self._last_us > SILENCE_US:
            self._hole(self._last_us, fact.at)
        for change in changes:
            if isinstance(change, Incident) and change.kind in ("beats_missing", "torn_line"):
                self._hole(self._alive_us, fact.at)
        if fact.at > self._last_us or fact.at < self._last_us - SILENCE_US:
            self._last_us = fact.at
        if isinstance(fact, Alive):
            self._alive_us = fact.at
        self.until_us = max(self.until_us, fact.at)

    def _hole(self, since_us: int, until_us: int) -> None:
        hole = (since_us - BLUR_US, until_us + BLUR_US)
        if self._holes and self._holes[-1][0] <= hole[0] <= self._holes[-1][1]:
            hole = (self._holes[-1][0], max(hole[1], self._holes.pop()[1]))
        self._holes.append(hole)
