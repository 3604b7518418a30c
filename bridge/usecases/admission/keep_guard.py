"""Stores what the guard remembers as it changes, draws the node's lot, brings refused entries to Postgres, and raises
the alarm while somebody is guessing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bridge.domain.admission.bucket import BucketKey
from bridge.domain.errors import Unavailable
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import GuardStore, GuessStock, RefusedEntries

log = structlog.get_logger()

SAVE_S: Final = 0.1
DRAIN_S: Final = 1.0
DRAW_S: Final = 1.0
DRAWN_FROM: Final = 0.1
"""A node draws as soon as so large a share of its lot is missing."""
AT_A_TIME: Final = 500
AWAY_S: Final = 5.0
TIDY_S: Final = 60.0
PRUNE_S: Final = 3600.0

OnGuessing = Callable[[BucketKey, bool, float], None]
"""Called with a key, True when guessing has begun there or False when it has ended, and the wrong entries a minute."""


@dataclass(frozen=True, slots=True)
class GuardReports:
    """Callbacks for what an operator has to know.

    `guarding` gets the number of entries that wait, and the share of the node's lot that is left. `stored` gets the
    reason why nothing could be stored, None when all was stored. `dropped` gets the number of refused entries that were
    lost for want of space.
    """

    guessing: OnGuessing
    guarding: Callable[[int, float], None]
    stored: Callable[[str | None], None]
    dropped: Callable[[int], None]


async def remember(guard: Guard, store: GuardStore) -> None:
    """Load buckets and regulars from before a restart. Raises Unavailable."""
    remembered = await store.load()
    guard.slots.restore(remembered.buckets)
    guard.regulars.restore(remembered.regulars)
    guard.regulars.fade(guard.now)


async def keep_guard(guard: Guard, store: GuardStore, reports: GuardReports) -> None:
    """Store changes and raise the alarm, every SAVE_S, for ever."""
    tidied = time.monotonic()
    while True:
        await save(guard, store, reports)
        _alarm(guard, reports.guessing)
        reports.guarding(guard.slots.waiting, guard.lot_left())
        if time.monotonic() - tidied > TIDY_S:
            tidied = time.monotonic()
            guard.slots.fade(guard.now)
            guard.regulars.fade(guard.now)
        await asyncio.sleep(SAVE_S)


async def draw_lots(guard: Guard, stock: GuessStock, worst: Callable[[], float]) -> None:
    """Keep the node's lot filled from the stock of all nodes, for ever. Without Postgres it lives on what it has.

    `worst` returns the chance that one entry opens something, with the codes that there are now.
    """
    fitted: float | None = None
    while True:
        pause = DRAW_S
        if fitted is None or time.monotonic() - fitted > TIDY_S:
            fitted = time.monotonic()
            guard.fit(worst())
        missing = guard.slots.missing(guard.now)
        if missing > DRAWN_FROM * guard.allowance.lot:
            try:
                guard.slots.draw(await stock.draw(missing, guard.allowance.stock), guard.now)
            except Unavailable as error:
                log.debug("lot_not_drawn", error=str(error))
                pause = AWAY_S
        await asyncio.sleep(pause)


async def drain_attempts(store: GuardStore, refused: RefusedEntries, keep: timedelta) -> None:
    """Bring queued refused entries to Postgres, and delete those older than `keep` there, for ever."""
    pruned: float | None = None
    while True:
        pause = DRAIN_S
        try:
            while queued := await store.queued(AT_A_TIME):
                await refused.add(queued)
                await store.dequeue(queued)
            if pruned is None or time.monotonic() - pruned > PRUNE_S:
                pruned = time.monotonic()
                await refused.prune(datetime.now(UTC) - keep)
        except Unavailable as error:
            log.debug("refused_entries_wait", error=str(error))
            pause = AWAY_S
        await asyncio.sleep(pause)


async def save(guard: Guard, store: GuardStore, reports: GuardReports) -> None:
    """Store all changes now. If that fails, they are kept for the next time."""
    buckets, guard.slots.changed = guard.slots.changed, {}
    regulars, guard.regulars.changed = guard.regulars.changed, {}
    unstored = list(guard.unstored)
    if not (buckets or regulars or unstored):
        return
    try:
        dropped = await store.save(buckets, regulars, unstored)
    except Unavailable as error:
        # What has changed meanwhile is newer than what could not be stored.
        guard.slots.changed = buckets | guard.slots.changed
        guard.regulars.changed = regulars | guard.regulars.changed
        reports.stored(str(error))
        return
    stored = {entry.id for entry in unstored}
    while guard.unstored and guard.unstored[0].id in stored:
        guard.unstored.popleft()
    reports.stored(None)
    dropped, guard.dropped = dropped + guard.dropped, 0
    if dropped:
        reports.dropped(dropped)


def _alarm(guard: Guard, on_guessing: OnGuessing) -> None:
    begun, ended = guard.alarm.changes(guard.shared_and_short(), guard.now)
    for keys, on in ((begun, True), (ended, False)):
        for key in keys:
            on_guessing(key, on, guard.alarm.per_minute(key, guard.now))
