"""Lockout as one part of the daemon: the price of wrong entries, their storage, and the alarms about them."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from bridge import telemetry
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.throttle import INSTALLATION, ThrottleKey, ThrottleKind, ThrottlePolicy
from bridge.domain.admission.throttles import Throttles
from bridge.domain.errors import Unavailable
from bridge.domain.webhooks.event import Event, guessing
from bridge.storage.admission.throttle_file import ThrottleFile
from bridge.usecases.admission import keep_throttles
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.keep_throttles import LockoutReports
from bridge.usecases.admission.ports import RefusedEntries

log = structlog.get_logger()

CALLER_HALF_LIFE_S: Final = 1800.0
SHARED_HALF_LIFE_S: Final = 120.0
CALLER_FREE: Final = 3
LONGEST_DELAY: Final = 16
LONGEST_SHARED_DELAY: Final = 8

UNREPORTED: Final = 100
"""The most events that wait to be passed on. Further ones are dropped: the log has them."""
Tell = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """The settings of lockout. Their names are those of the settings `BRIDGE_*`."""

    delay_s: float
    block_after: int
    block_s: float
    guessing_per_minute: float
    attempts_keep_days: int


def policies(terms: LockoutSettings) -> Mapping[ThrottleKind, ThrottlePolicy]:
    """The policy of each kind of throttle.

    Failures that come steadily at a rate settle at a level of rate × half-life / ln 2.
    """

    def shared(per_minute: float, alarms: bool) -> ThrottlePolicy:
        level = per_minute / 60 * SHARED_HALF_LIFE_S / math.log(2)
        longest = LONGEST_SHARED_DELAY * terms.delay_s
        return ThrottlePolicy(
            SHARED_HALF_LIFE_S, level, level / 2, terms.delay_s, longest, alarm_at=level if alarms else None
        )

    return {
        ThrottleKind.CALLER: ThrottlePolicy(
            CALLER_HALF_LIFE_S,
            CALLER_FREE,
            1.0,
            terms.delay_s,
            LONGEST_DELAY * terms.delay_s,
            # Failures fade a little even while the last one is keyed, so their level stays under a whole number.
            block_at=terms.block_after - 0.5,
            block_s=terms.block_s,
        ),
        ThrottleKind.TRUNK: shared(terms.guessing_per_minute / 4, alarms=False),
        ThrottleKind.ACCESS_NUMBER: shared(terms.guessing_per_minute / 2, alarms=True),
        ThrottleKind.INSTALLATION: shared(terms.guessing_per_minute, alarms=True),
    }


class Lockout:
    """The guard of the dialogue, with what stores its changes and reports on it.

    `tell` passes on the event that guessing has begun or ended. It raises Unavailable to be called again later.
    """

    def __init__(
        self,
        node: str,
        state_dir: Path,
        terms: LockoutSettings,
        attempts: RefusedEntries,
        knows: Callable[[str], bool],
        tell: Tell,
    ) -> None:
        self.guard = Guard(node, Throttles(policies(terms)), knows, _count)
        self._file = ThrottleFile(state_dir)
        self._attempts = attempts
        self._keep = timedelta(days=terms.attempts_keep_days)
        self._tell = tell
        self._unreported: asyncio.Queue[Event] = asyncio.Queue(UNREPORTED)
        self._trouble: str | None = None

    async def remember(self) -> None:
        """Load throttles and recent callers from before a restart. If that fails, start with none."""
        try:
            await keep_throttles.remember(self.guard, self._file)
            self._on_stored(None)
        except Unavailable as error:
            self._on_stored(str(error))
        log.info(
            "lockout_remembered", throttles=len(self.guard.throttles), recent_callers=len(self.guard.recent_callers)
        )

    async def run(self) -> None:
        """Store what changes, bring refused entries to Postgres, raise the alarm, for ever."""
        reports = LockoutReports(self._tell_guessing, self._on_stored, _drop)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_throttles.keep_throttles(self.guard, self._file, reports))
                tasks.create_task(keep_throttles.drain_attempts(self._file, self._attempts, self._keep))
                tasks.create_task(self._pass_on())
        finally:
            await keep_throttles.save(self.guard, self._file, reports)
            await self._file.close()

    def health(self) -> tuple[bool, str]:
        """Always True, since lockout never keeps the node from serving, and a description of its state."""
        if self._trouble is not None:
            return True, f"wrong entries are counted in memory alone: {self._trouble}"
        if self.guard.throttles.guessing:
            where = ", ".join(sorted(map(_name, self.guard.throttles.guessing)))
            return True, f"guessing is under way: {where}; see GET /v1/blocks and GET /v1/admission-attempts"
        return True, "nobody guesses"

    def _tell_guessing(self, key: ThrottleKey, begun: bool, level: float) -> None:
        where = _name(key)
        if begun:
            log.warning(
                "guessing_begun",
                where=where,
                failures=round(level),
                mend="unknown callers wait longer meanwhile; GET /v1/admission-attempts shows their origin",
            )
        else:
            log.info("guessing_ended", where=where)
        telemetry.GUESSING.set(len(self.guard.throttles.guessing))
        if not self._unreported.full():
            number = None if key == INSTALLATION else key.value
            event = guessing(uuid4(), datetime.now(UTC), number, round(level, 1), begun=begun)
            self._unreported.put_nowait(event)

    async def _pass_on(self) -> None:
        while True:
            event = await self._unreported.get()
            while True:
                try:
                    await self._tell(event)
                    break
                except Unavailable:
                    await asyncio.sleep(keep_throttles.AWAY_S)

    def _on_stored(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            log.error(
                "lockout_not_stored",
                error=trouble,
                mend="wrong entries are counted in memory alone, and a restart forgets them: check BRIDGE_STATE_DIR",
            )
        self._trouble = trouble
        telemetry.LOCKOUT_STORED.set(trouble is None)


def _name(key: ThrottleKey) -> str:
    return "the whole installation" if key == INSTALLATION else f"access number {key.value}"


def _count(reason: Refusal) -> None:
    telemetry.REFUSED_ENTRIES.labels(reason=reason.value).inc()


def _drop(attempts: int) -> None:
    telemetry.ATTEMPTS_DROPPED.inc(attempts)
    log.warning(
        "attempts_dropped",
        count=attempts,
        mend="Postgres has been away for so long that the oldest refused entries are lost; callers are not affected",
    )
