"""Lockout as one part of the daemon: slots to judge entries, their storage, and the alarms about guessing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import structlog

from bridge import telemetry
from bridge.domain.admission.bucket import INSTALLATION, BucketKey
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.refusal import Refusal
from bridge.domain.errors import Unavailable
from bridge.domain.webhooks.event import Event, guessed_pin, guessing
from bridge.storage.admission.guard_file import GuardFile
from bridge.usecases.admission import keep_guard
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.keep_guard import GuardReports
from bridge.usecases.admission.ports import GuessStock, RefusedEntries

log = structlog.get_logger()

UNREPORTED: Final = 100
"""The most events that wait to be passed on. Further ones are dropped: the log has them."""
Tell = Callable[[Event], Awaitable[None]]


class Lockout:
    """The guard of the dialogue, with what stores its changes and reports on it.

    `tell` passes on the events about guessing. It raises Unavailable to be called again later.
    """

    def __init__(
        self,
        node: str,
        state_dir: Path,
        allowance: Allowance,
        attempts: RefusedEntries,
        keep_days: int,
        stock: GuessStock,
        worst: Callable[[], float],
        known_by: Callable[[str], frozenset[str]],
        tell: Tell,
    ) -> None:
        """Refused entries are kept for `keep_days` in Postgres. `worst` is as for `draw_lots`, `known_by` as for
        `Guard`."""
        self.guard = Guard(node, allowance, known_by, _count, self._tell_guessed_pin)
        self._worst = worst
        self._file = GuardFile(state_dir)
        self._attempts = attempts
        self._keep = timedelta(days=keep_days)
        self._stock = stock
        self._tell = tell
        self._unreported: asyncio.Queue[Event] = asyncio.Queue(UNREPORTED)
        self._trouble: str | None = None

    async def remember(self) -> None:
        """Load buckets and regulars from before a restart. If that fails, start with none."""
        try:
            await keep_guard.remember(self.guard, self._file)
            self._on_stored(None)
        except Unavailable as error:
            self._on_stored(str(error))
        log.info("lockout_remembered", buckets=len(self.guard.slots), regulars=len(self.guard.regulars))

    async def run(self) -> None:
        """Store what changes, draw lots, bring refused entries to Postgres, raise the alarm, for ever."""
        reports = GuardReports(self._tell_guessing, _measure, self._on_stored, _drop)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_guard.keep_guard(self.guard, self._file, reports))
                tasks.create_task(keep_guard.draw_lots(self.guard, self._stock, self._worst))
                tasks.create_task(keep_guard.drain_attempts(self._file, self._attempts, self._keep))
                tasks.create_task(self._pass_on())
        finally:
            await keep_guard.save(self.guard, self._file, reports)
            await self._file.close()

    def health(self) -> tuple[bool, str]:
        """Always True, since lockout never keeps the node from serving, and a description of its state."""
        if self._trouble is not None:
            return True, f"wrong entries are counted in memory alone: {self._trouble}"
        if self.guard.alarm.guessing:
            where = ", ".join(sorted(map(_name, self.guard.alarm.guessing)))
            return True, f"guessing is under way: {where}; see GET /v1/blocks and GET /v1/admission-attempts"
        return True, "nobody guesses"

    def _tell_guessing(self, key: BucketKey, begun: bool, per_minute: float) -> None:
        where = _name(key)
        if begun:
            log.warning(
                "guessing_begun",
                where=where,
                wrong_a_minute=round(per_minute),
                mend="if guesses come too fast, unknown callers wait for their turn; GET /v1/admission-attempts shows "
                "where they come from, and GET /v1/blocks who waits",
            )
        else:
            log.info("guessing_ended", where=where)
        telemetry.GUESSING.set(len(self.guard.alarm.guessing))
        number = None if key == INSTALLATION else key.value
        self._report(guessing(uuid4(), datetime.now(UTC), number, per_minute, begun=begun))

    def _tell_guessed_pin(self, grant: Grant) -> None:
        log.warning(
            "pin_guessed",
            passcode_id=grant.passcode_id,
            account_id=grant.account_id,
            mend="further entries of this PIN wait; its passcode is known to whoever guesses: rotate it",
        )
        account_id, sub_account_id = UUID(grant.account_id), UUID(grant.sub_account_id)
        self._report(guessed_pin(uuid4(), datetime.now(UTC), account_id, sub_account_id, UUID(grant.passcode_id)))

    def _report(self, event: Event) -> None:
        if not self._unreported.full():
            self._unreported.put_nowait(event)

    async def _pass_on(self) -> None:
        while True:
            event = await self._unreported.get()
            while True:
                try:
                    await self._tell(event)
                    break
                except Unavailable:
                    await asyncio.sleep(keep_guard.AWAY_S)

    def _on_stored(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            log.error(
                "lockout_not_stored",
                error=trouble,
                mend="wrong entries are counted in memory alone, and a restart forgets them: check BRIDGE_STATE_DIR",
            )
        self._trouble = trouble
        telemetry.LOCKOUT_STORED.set(trouble is None)


def _name(key: BucketKey) -> str:
    return "the whole installation" if key == INSTALLATION else f"access number {key.value}"


def _count(reason: Refusal) -> None:
    telemetry.REFUSED_ENTRIES.labels(reason=reason.value).inc()


def _measure(waiting: int, lot_left: float) -> None:
    telemetry.WAITING_ENTRIES.set(waiting)
    telemetry.GUESS_LOT_LEFT.set(lot_left)


def _drop(attempts: int) -> None:
    telemetry.ATTEMPTS_DROPPED.inc(attempts)
    log.warning(
        "attempts_dropped",
        count=attempts,
        mend="Postgres has been away for so long that the oldest refused entries are lost; callers are not affected",
    )
