"""Checks each second that minutes can be metered, logs changes, and answers before a caller is admitted."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ari import modules
from bridge.asterisk.ari.client import Ari, AriUnreachable
from bridge.asterisk.journal import watch
from bridge.asterisk.journal.watch import JournalWatch
from bridge.domain.metering import meter_health
from bridge.domain.metering.meter_health import Finding, MeterLimits, Observation, Severity
from bridge.host import kernel_clock
from bridge.storage.postgres.clock import PostgresClock

log = structlog.get_logger()

LOOK_S: Final = 1.0


class Meter:
    """Gathers the state of the meter, has the domain judge it, and logs it.

    With `refuses`, a failure keeps callers out.
    """

    def __init__(
        self, journal: Path, state_dir: Path, limits: MeterLimits, clock: PostgresClock, refuses: bool
    ) -> None:
        self._watch = JournalWatch(journal)
        self._state_dir = state_dir
        self._limits = limits
        self._clock = clock
        self._refuses = refuses
        self._looking = asyncio.Lock()
        self._connected_at: float | None = None
        self._cel_custom: bool | None = None
        self._findings: tuple[Finding, ...] = ()

    async def run(self) -> None:
        """Look each second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once, and log findings that are new or gone."""
        async with self._looking:
            journal = await asyncio.to_thread(self._watch.look)
            seen = Observation(
                journal=journal,
                heartbeat_age_s=self._watch.heartbeat_age_s(),
                ari_s=None if self._connected_at is None else time.monotonic() - self._connected_at,
                cel_custom=self._cel_custom,
                clock=self._clock.clock,
                synchronised=kernel_clock.synchronised(),
            )
            before, self._findings = self._findings, meter_health.findings(seen, self._limits)
        _log_changes(before, self._findings)
        _measure(seen)
        state = await asyncio.to_thread(watch.room, self._state_dir)
        if state is not None:
            telemetry.DISK_FREE_BYTES.labels(what="state").set(state.free_bytes)
        telemetry.METER_OK.set(meter_health.failure(self._findings) is None)

    async def watch(self, ari: Ari) -> None:
        """Ask Asterisk each second, while this connection lives, if its module that writes the journal is loaded."""
        self._connected_at = time.monotonic()
        try:
            while True:
                try:
                    self._cel_custom = await modules.running(ari, modules.CEL_CUSTOM)
                except AriUnreachable:
                    self._cel_custom = None  # the task that serves the connection ends when it is lost
                await asyncio.sleep(LOOK_S)
        finally:
            self._connected_at = self._cel_custom = None

    def silent_s(self) -> float | None:
        """Seconds since a look found a new heartbeat in the journal, None if none ever did."""
        return self._watch.heartbeat_age_s()

    @property
    def failure(self) -> str | None:
        """The reason why minutes could not be metered at the last look, None if they could."""
        return meter_health.failure(self._findings)

    @property
    def refusal(self) -> str | None:
        """The failure if it is to keep callers out, else None."""
        return self.failure if self._refuses else None

    async def barrier(self) -> str | None:
        """The reason why nobody may be admitted now, None if there is none.

        It looks again before it refuses, so that nobody is refused for a fault that has just been mended.
        """
        if self.refusal is not None:
            await self.look()
        return self.refusal

    def health(self) -> tuple[bool, str]:
        """True if minutes can be metered, with a line that says so or says what to do."""
        failures = [finding for finding in self._findings if finding.severity is Severity.FAILED]
        detail = "; ".join(f"{finding.what}: {finding.mend}" for finding in failures or self._findings)
        return not failures, detail or "the journal is written, and has room"


def _log_changes(before: Iterable[Finding], now: Iterable[Finding]) -> None:
    known, there = {finding.name for finding in before}, {finding.name for finding in now}
    for finding in now:
        if finding.name not in known:
            say = log.error if finding.severity is Severity.FAILED else log.warning
            say("meter_fault", fault=finding.name, error=finding.what, mend=finding.mend)
            telemetry.METER_FAULT.labels(fault=finding.name).set(1)
    for name in sorted(known - there):
        log.info("meter_fault_gone", fault=name)
        telemetry.METER_FAULT.labels(fault=name).set(0)


def _measure(seen: Observation) -> None:
    if seen.journal.room is not None:
        telemetry.DISK_FREE_BYTES.labels(what="journal").set(seen.journal.room.free_bytes)
    if seen.heartbeat_age_s is not None:
        telemetry.PULSE_AGE_SECONDS.set(seen.heartbeat_age_s)
    if seen.clock is not None:
        telemetry.CLOCK_OFFSET_SECONDS.set(seen.clock.offset_s)
