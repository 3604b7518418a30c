"""Health of the daemon: readiness of its parts, gauges, and how much of the journal is committed to Postgres."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ami.live_rooms import AmiLiveRooms
from bridge.asterisk.connections import Connection
from bridge.asterisk.journal.file import JournalFile
from bridge.daemon.lockout import Lockout
from bridge.daemon.meter import Meter
from bridge.daemon.ports import Ports
from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import Incident, MinuteRecord
from bridge.domain.metering.room_comparison import JournaledChannels, RoomDifferences
from bridge.domain.period import SECOND_US
from bridge.domain.provisioning import code_lengths
from bridge.storage.directory.lookup import LocalDirectory
from bridge.usecases.metering.keep_minutes import Progress
from bridge.usecases.metering.ports import Position

log = structlog.get_logger()

GAUGES_S: Final = 1.0
ODDS_S: Final = 60.0
HEARTBEAT_S: Final = 1.0
STALLED_S: Final = 10.0
BEHIND_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the daemon that health is reported of."""

    ari: Connection
    ami: Connection
    directory: LocalDirectory
    journal: JournalFile
    meter: Meter
    rooms: AmiLiveRooms
    lockout: Lockout
    ports: Ports


class Health:
    """Follows each commit, and reports the health of all parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ledger: tuple[bool, str] = (False, "nothing committed yet")
        self._progress: Progress | None = None
        self._committed_at = time.monotonic()
        self._alive_us = 0
        self._backlog_bytes = 0
        self._odds_due_at = 0.0

    # --- The ledger -----------------------------------------------------------------------------------------------
    def on_progress(self, progress: Progress) -> None:
        """A batch of the journal was read, and committed if it holds news. This is called once for each batch."""
        self._ledger = (True, "minutes are committed as they come")
        self._progress = progress
        # Copied now: the fold goes on, and may be ahead of what is committed.
        self._alive_us = progress.fold.alive_us
        self._committed_at = time.monotonic()
        telemetry.JOURNAL_LINES.inc(progress.lines)
        for change in progress.changes:
            if isinstance(change, MinuteRecord):
                telemetry.MINUTE_RECORDS.labels(evidence=change.evidence.value).inc()
                log.info(
                    "minute_record",
                    record=str(change.stay.identity.id),
                    call=change.stay.identity.uniqueid,
                    room=change.stay.room,
                    seconds=change.duration_us / SECOND_US,
                    reason=change.reason.value,
                    evidence=change.evidence.value,
                )
            elif isinstance(change, Incident):
                telemetry.INCIDENTS.labels(kind=change.kind).inc()
                log.warning("journal_incident", kind=change.kind, subject=change.subject)
        for incident in progress.ledger_incidents:
            telemetry.INCIDENTS.labels(kind=incident.kind).inc()

    def committed(self) -> Position | None:
        """The place in the journal that was committed last, None if there is none or it is not known yet."""
        return self._progress.position if self._progress else None

    def on_ledger_away(self, error: Unavailable) -> None:
        """A batch could not be committed, and will be tried again."""
        if self._ledger != (False, str(error)):
            log.warning(
                "ledger_away", error=str(error), mend="minutes wait in the journal, on disk; retrying until it answers"
            )
        self._ledger = (False, str(error))

    # --- The rooms ------------------------------------------------------------------------------------------------
    def recorded(self) -> JournaledChannels | None:
        """The channels by the journal, None while the ledger is behind it."""
        progress = self._progress
        if progress is None or time.time() - progress.fold.alive_us / SECOND_US > BEHIND_S:
            return None
        fold = progress.fold
        return JournaledChannels(fold.inside, fold.waiting, fold.doubtful)

    def on_difference(self, differences: RoomDifferences) -> None:
        """Journal and rooms were compared once more."""
        telemetry.ROOM_DIFFERENCES.labels(kind="absent").set(len(differences.absent))
        telemetry.ROOM_DIFFERENCES.labels(kind="unseen").set(len(differences.unseen))
        telemetry.ROOM_DIFFERENCES.labels(kind="gone").set(len(differences.gone))

    def on_healing(self, kind: str, channel: str) -> None:
        """A difference between journal and rooms has lasted, and is corrected."""
        log.error(
            "room_difference",
            kind=kind,
            call=channel,
            mend="the daemon writes a correction to the journal; check the disk for lost lines",
        )
        telemetry.ROOM_HEALINGS.labels(kind=kind).inc()

    # --- Admission ------------------------------------------------------------------------------------------------
    async def barrier(self) -> str | None:
        """The reason why this node must not admit anyone now, None if it may."""
        return self._parts.directory.not_ready or await self._parts.meter.barrier()

    # --- What is reported ---------------------------------------------------------------------------------------------
    def readiness(self) -> dict[str, tuple[bool, str]]:
        """For each part, True if it is well, with a line that says so."""
        parts = self._parts
        barrier = parts.directory.not_ready or parts.meter.refusal
        return {
            "ari": (parts.ari.ok, parts.ari.detail),
            "ami": (parts.ami.ok, parts.ami.detail),
            "directory": parts.directory.health(),
            "ledger": self._ledger_health(),
            "meter": parts.meter.health(),
            "lockout": parts.lockout.health(),
            "ports": parts.ports.health(),
            "admission": (barrier is None, barrier or "this node may admit callers"),
        }

    async def keep_gauges(self) -> None:
        """Set the gauges each second, for ever."""
        while True:
            telemetry.OPEN_STAYS.set(self._parts.rooms.participants)
            if self._progress is not None:
                place = self._progress.position
                self._backlog_bytes = await asyncio.to_thread(self._parts.journal.backlog, place)
            telemetry.JOURNAL_BACKLOG_BYTES.set(self._backlog_bytes)
            telemetry.JOURNAL_BACKLOG_SECONDS.set(self._behind_s())
            telemetry.DIRECTORY_AGE_SECONDS.set(self._parts.directory.age_s())
            self._set_guess_odds()
            await asyncio.sleep(GAUGES_S)

    def _set_guess_odds(self) -> None:
        """Set the gauges of the odds of a guess, not each time: there may be thousands of own code spaces."""
        now = time.monotonic()
        if now >= self._odds_due_at:
            self._odds_due_at = now + ODDS_S
            for space, live in zip(("shared", "own"), self._parts.directory.worst_lengths(), strict=True):
                telemetry.GUESS_ODDS.labels(space=space).set(float(code_lengths.odds(live)))

    def _ledger_health(self) -> tuple[bool, str]:
        well, detail = self._ledger
        behind = f"{self._behind_s():.0f} s and {self._backlog_bytes} bytes of the journal are not committed"
        if well and self._stalled_s() > STALLED_S:
            return False, f"nothing has been read or committed for {self._stalled_s():.0f} s: see ari, and Postgres"
        if self._behind_s() > STALLED_S:
            detail += f"; {behind}"
        return well, detail

    def _behind_s(self) -> float:
        """The age in seconds of the newest committed line, 0 while it is as new as Asterisk's heartbeat.

        Before the first commit, the seconds since the daemon started.
        """
        if self._progress is None:
            return self._stalled_s()
        age = time.time() - self._alive_us / SECOND_US if self._alive_us else 0.0
        return age if age > 2 * HEARTBEAT_S else 0.0

    def _stalled_s(self) -> float:
        """Seconds since the journal was last read and committed, 0 while that is as often as Asterisk's heartbeat."""
        age = time.monotonic() - self._committed_at
        return age if age > 2 * HEARTBEAT_S else 0.0
