"""Stores throttles and recent callers as they change, brings refused entries to Postgres, and raises the alarm while
somebody is guessing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bridge.domain.admission.throttle import ThrottleKey
from bridge.domain.errors import Unavailable
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import RefusedEntries, ThrottleStore

log = structlog.get_logger()

SAVE_S: Final = 0.1
DRAIN_S: Final = 1.0
AT_A_TIME: Final = 500
AWAY_S: Final = 5.0
TIDY_S: Final = 60.0
PRUNE_S: Final = 3600.0

OnGuessing = Callable[[ThrottleKey, bool, float], None]
"""Called with a key, True when guessing has begun there or False when it has ended, and the level of failures."""


@dataclass(frozen=True, slots=True)
class LockoutReports:
    """Callbacks for what an operator has to know.

    `stored` gets the reason why nothing could be stored, None when all was stored. `dropped` gets the number of refused
    entries that were lost for want of space.
    """

    guessing: OnGuessing
    stored: Callable[[str | None], None]
    dropped: Callable[[int], None]


async def remember(guard: Guard, store: ThrottleStore) -> None:
    """Load throttles and recent callers from before a restart. Raises Unavailable."""
    remembered = await store.load()
    guard.throttles.restore(remembered.throttles)
    guard.recent_callers.restore(remembered.recent_callers)
    guard.recent_callers.fade(guard.now)


async def keep_throttles(guard: Guard, store: ThrottleStore, reports: LockoutReports) -> None:
    """Store changes and raise the alarm, every SAVE_S, for ever."""
    tidied = time.monotonic()
    while True:
        await save(guard, store, reports)
        _alarm(guard, reports.guessing)
        if time.monotonic() - tidied > TIDY_S:
            tidied = time.monotonic()
            guard.throttles.fade(guard.now)
            guard.recent_callers.fade(guard.now)
        await asyncio.sleep(SAVE_S)


async def drain_attempts(store: ThrottleStore, refused: RefusedEntries, keep: timedelta) -> None:
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


async def save(guard: Guard, store: ThrottleStore, reports: LockoutReports) -> None:
    """Store all changes now. If that fails, they are kept for the next time."""
    throttles, guard.throttles.changed = guard.throttles.changed, {}
    recent_callers, guard.recent_callers.changed = guard.recent_callers.changed, {}
    unstored = list(guard.unstored)
    if not (throttles or recent_callers or unstored):
        return
    try:
        dropped = await store.save(throttles, recent_callers, unstored)
    except Unavailable as error:
        # What has changed meanwhile is newer than what could not be stored.
        guard.throttles.changed = throttles | guard.throttles.changed
        guard.recent_callers.changed = recent_callers | guard.recent_callers.changed
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
    begun, ended = guard.throttles.alarms(guard.now)
    for keys, on in ((begun, True), (ended, False)):
        for key in keys:
            on_guessing(key, on, guard.throttles.level(key, guard.now))
