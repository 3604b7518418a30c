"""Keeps minutes: folds journal lines as they come, and commits what they change together with their place."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.domain import retry
from bridge.domain.errors import Unavailable
from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Change, Incident
from bridge.usecases.metering.ports import Batch, Journal, Ledger, Position, Resumption

FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
UNREADABLE: Final = frozenset({"garbage_line", "torn_line"})
IDLE_COMMIT_S: Final = 5.0
"""The position is committed so often, even if nothing changed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One batch of lines: the lines and changes that were committed, none if it holds no news.

    `position` is the place committed last, None before a node's first. `ledger_incidents` are those that the ledger
    found while it committed, beside those among `changes`. `fold` is the living fold, not a copy.
    """

    lines: int
    changes: Sequence[Change]
    position: Position | None
    fold: Fold
    ledger_incidents: Sequence[Incident] = ()


async def keep_minutes(
    node: str,
    journal: Journal,
    ledger: Ledger,
    rtp_timeout_us: int,
    on_progress: Callable[[Progress], None],
    on_unavailable: Callable[[Unavailable], None],
) -> None:
    """Follow the journal and commit what it changes, for ever.

    While the ledger is away, the journal waits on the disk, and nothing is lost. `on_progress` is called once for each
    batch, after its commit has succeeded.

    Raises Conflict when another daemon commits the same node's journal.
    """
    resumption = await _resume(ledger, node, on_unavailable)
    fold = Fold(node, rtp_timeout_us, resumption.switch_state, resumption.calls, resumption.stays, resumption.ended)
    committed = resumption.position
    committed_at = time.monotonic()
    lines = 0
    held_from: Position | None = None
    async for batch in journal.read(committed):
        if batch.may_replay:
            fold.expect_replay()
        changes: list[Change] = []
        offset = batch.position.offset - sum(len(line) + 1 for line in batch.lines)
        for line in batch.lines:
            held = fold.held
            for fact in journal_line.read(line):
                changes += [_placed(change, offset, batch) for change in fold.apply(fact)]
            if fold.held is not held:
                # Lines that the fold holds back are not in its committed state: reading resumes before them.
                held_from = None if fold.held is None else batch.position.earlier(max(0, offset))
            offset += len(line) + 1
        lines += len(batch.lines)
        if not changes and time.monotonic() - committed_at < IDLE_COMMIT_S:
            on_progress(Progress(0, (), committed, fold))
            continue
        position = held_from or batch.position
        found = await _commit(ledger, node, committed, position, fold, changes, on_unavailable)
        committed, committed_at = position, time.monotonic()
        # Only now: a commit that is tried again counts once.
        on_progress(Progress(lines, changes, committed, fold, found))
        lines = 0


def _placed(change: Change, offset: int, batch: Batch) -> Change:
    """The change. An incident of an unreadable line gets its place: the byte, and the beginning of the file's identity.

    The place is a byte early for each newline that is missing, after the file's last line and around NUL bytes.
    """
    if not isinstance(change, Incident) or change.kind not in UNREADABLE:
        return change
    return replace(change, subject=f"{change.subject} near byte {max(0, offset)} of {batch.position.file[:12]}")


async def _resume(ledger: Ledger, node: str, on_unavailable: Callable[[Unavailable], None]) -> Resumption:
    delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
    while True:
        try:
            return await ledger.resume(node)
        except Unavailable as error:
            on_unavailable(error)
            await asyncio.sleep(next(delays))


async def _commit(
    ledger: Ledger,
    node: str,
    before: Position | None,
    after: Position,
    fold: Fold,
    changes: Sequence[Change],
    on_unavailable: Callable[[Unavailable], None],
) -> Sequence[Incident]:
    delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
    while True:
        try:
            return await ledger.commit(node, before, after, fold.switch_state, changes)
        except Unavailable as error:
            on_unavailable(error)
            await asyncio.sleep(next(delays))
