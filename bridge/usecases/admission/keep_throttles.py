"""What lockout knows, stored as it changes; refused entries on their way to Postgres; and the alarm while somebody
guesses."""

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
"""Told where guessing has begun (True) or ended, and at which level of failures."""


@dataclass(frozen=True, slots=True)
class LockoutReports:
    """Whom this tells what. `stored` is told why it could not be stored, None when it was; `dropped` how many attempts
    were lost since there was no room for them."""

    guessing: OnGuessing
    stored: Callable[[str | None], None]
    dropped: Callable[[int], None]


async def remember(guard: Guard, store: ThrottleStore) -> None:
    """Take in what was stored before a restart. Raises Unavailable."""
    remembered = await store.load()
    guard.throttles.restore(remembered.throttles)
    guard.recent_callers.restore(remembered.recent_callers)
    guard.recent_callers.fade(guard.now)


async def keep_throttles(guard: Guard, store: ThrottleStore, told: LockoutReports) -> None:
    """Store what changed, and raise the alarm, every SAVE_S, for ever."""
    tidied = time.monotonic()
    while True:
        await save(guard, store, told)
        _alarm(guard, told.guessing)
        if time.monotonic() - tidied > TIDY_S:
            tidied = time.monotonic()
            guard.throttles.fade(guard.now)
            guard.recent_callers.fade(guard.now)
        await asyncio.sleep(SAVE_S)


async def drain_attempts(store: ThrottleStore, attempts: RefusedEntries, keep: timedelta) -> None:
    """Bring queued attempts to Postgres, and delete those that are older than `keep` there, for ever."""
    pruned: float | None = None
    while True:
        pause = DRAIN_S
        try:
            while queued := await store.queued(AT_A_TIME):
                await attempts.add(queued)
                await store.dequeue(queued)
            if pruned is None or time.monotonic() - pruned > PRUNE_S:
                pruned = time.monotonic()
                await attempts.prune(datetime.now(UTC) - keep)
        except Unavailable as error:
            log.debug("attempts_wait", error=str(error))
            pause = AWAY_S
        await asyncio.sleep(pause)


async def save(guard: Guard, store: ThrottleStore, told: LockoutReports) -> None:
    """Store what changed now. What can't be stored is tried again the next time."""
    throttles, guard.throttles.changed = guard.throttles.changed, {}
    recent_callers, guard.recent_callers.changed = guard.recent_callers.changed, {}
    attempts = list(guard.unstored)
    if not (throttles or recent_callers or attempts):
        return
    try:
        dropped = await store.save(throttles, recent_callers, attempts)
    except Unavailable as error:
        guard.throttles.changed = throttles | guard.throttles.changed
        guard.recent_callers.changed = recent_callers | guard.recent_callers.changed
        told.stored(str(error))
        return
    stored = {attempt.id for attempt in attempts}
    while guard.unstored and guard.unstored[0].id in stored:
        guard.unstored.popleft()
    told.stored(None)
    dropped, guard.dropped = dropped + guard.dropped, 0
    if dropped:
        told.dropped(dropped)


def _alarm(guard: Guard, on_guessing: OnGuessing) -> None:
    begun, ended = guard.throttles.alarms(guard.now)
    for keys, on in ((begun, True), (ended, False)):
        for key in keys:
            on_guessing(key, on, guard.throttles.level(key, guard.now))
