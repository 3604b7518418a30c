"""Judges from the state of journal, switch and clock if minutes can be metered now, and what is wrong.

A caller who is admitted while the journal cannot be written talks for free. So `Severity.FAILED` means that no new
caller should be admitted. Postgres is no part of this: the journal waits for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEARTBEAT_TIMEOUT_S: Final = 5.0
"""Asterisk writes a heartbeat twice a second; after so long without one, the journal is not being written."""
WARNED_AT: Final = 2
"""Less free space than so many times the reserve is a warning, before it becomes a reason to refuse callers."""
MEBIBYTE: Final = 1 << 20
MEND_HEARTBEAT: Final = (
    "check that cel.conf has enable=yes, that cel_custom.conf names the file of BRIDGE_JOURNAL, that Asterisk's user "
    "may write to it, and `asterisk -rx 'core show channels'` for Local/alive@heart"
)


class Severity(StrEnum):
    """The gravity of a finding: FAILED means that minutes cannot be metered."""

    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and how to mend it. `name` stays the same while the figures in `what` change."""

    name: str
    severity: Severity
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Free space on a disk for users other than root. So many `files` can still be made, None for no limit."""

    free_bytes: int
    total_bytes: int
    files: int | None = None


@dataclass(frozen=True, slots=True)
class JournalSeen:
    """The journal's file as it was found.

    `unwritable` is why nothing can be appended to it, None if nothing is known to be wrong. `heartbeat_us` is the time
    of the last heartbeat in it, on the switch's clock.
    """

    unwritable: str | None
    room: DiskSpace | None
    heartbeat_us: int | None


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The time by which the switch's clock is ahead of that of Postgres, and how wrong that figure may be."""

    offset_s: float
    bound_s: float


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that is known at one instant; None stands for "not known".

    `heartbeat_age_s` is the number of seconds since the journal last showed a heartbeat. `ari_s` is the number of
    seconds since ARI was connected, None while it is not. `cel_custom` is True while Asterisk's module that writes the
    journal runs. `synchronised` is True while the kernel says that a time server keeps its clock.
    """

    journal: JournalSeen
    heartbeat_age_s: float | None
    ari_s: float | None
    cel_custom: bool | None
    clock: ClockOffset | None
    synchronised: bool | None


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """The settings that findings depend on."""

    reserve_bytes: int
    clock_tolerance_s: float


def findings(seen: Observation, limits: MeterLimits) -> tuple[Finding, ...]:
    """Everything that is wrong, the gravest first."""
    found = [
        *writability(seen.journal),
        *room(seen.journal.room, limits.reserve_bytes),
        *module(seen.cel_custom),
        *_heartbeat(seen),
        *clock(seen.clock, limits.clock_tolerance_s),
        *synchronisation(seen.synchronised),
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.FAILED))


def failure(found: Iterable[Finding]) -> str | None:
    """The reason why minutes cannot be metered, None if they can."""
    return next((finding.what for finding in found if finding.severity is Severity.FAILED), None)


def writability(journal: JournalSeen) -> Iterable[Finding]:
    """Findings about writing to the journal's file."""
    if journal.unwritable is not None:
        yield Finding(
            "journal_unwritable",
            Severity.FAILED,
            f"the journal cannot be written: {journal.unwritable}",
            "make the folder of BRIDGE_JOURNAL again, writable for Asterisk (`bridge asterisk render` makes it)",
        )


def room(seen: DiskSpace | None, reserve_bytes: int) -> Iterable[Finding]:
    """Findings about free space for the journal, of which `reserve_bytes` are kept for the stays that are open."""
    if seen is None:
        return
    mend = "make room on the disk of BRIDGE_JOURNAL, or lower BRIDGE_JOURNAL_RESERVE_MB"
    left, reserve = seen.free_bytes // MEBIBYTE, reserve_bytes // MEBIBYTE
    if seen.free_bytes < reserve_bytes:
        yield Finding(
            "journal_disk_full", Severity.FAILED, f"the journal's disk has {left} MiB left, under {reserve} MiB", mend
        )
    elif seen.files == 0:
        yield Finding("journal_disk_full", Severity.FAILED, "the journal's disk has no room for another file", mend)
    elif seen.free_bytes < WARNED_AT * reserve_bytes:
        yield Finding(
            "journal_disk_low",
            Severity.WARNING,
            f"the journal's disk has {left} MiB left; callers are refused under {reserve} MiB",
            mend,
        )


def module(running: bool | None) -> Iterable[Finding]:
    """Findings about the module that writes the journal."""
    if running is False:
        yield Finding(
            "cel_custom_missing",
            Severity.FAILED,
            "Asterisk's module cel_custom is not running, so nothing is journaled",
            "`asterisk -rx 'module load cel_custom.so'`, and see modules.conf",
        )


def _heartbeat(seen: Observation) -> Iterable[Finding]:
    # Without ARI nobody is admitted, and an Asterisk that has just come back takes a moment for its first heartbeat.
    if seen.ari_s is None or seen.ari_s <= HEARTBEAT_TIMEOUT_S:
        return
    if seen.heartbeat_age_s is None or seen.heartbeat_age_s > HEARTBEAT_TIMEOUT_S:
        since = "" if seen.heartbeat_age_s is None else f" for {seen.heartbeat_age_s:.0f} s"
        yield Finding(
            "heart_silent",
            Severity.FAILED,
            f"Asterisk has journaled no heartbeat{since}",
            MEND_HEARTBEAT,
        )


def clock(seen: ClockOffset | None, tolerance_s: float) -> Iterable[Finding]:
    """Findings about the clock that minutes are stamped by."""
    if seen is not None and abs(seen.offset_s) - seen.bound_s > tolerance_s:
        yield Finding(
            "clock_wrong",
            Severity.FAILED,
            f"the clock of this machine is {abs(seen.offset_s):.1f} s {'ahead of' if seen.offset_s > 0 else 'behind'} "
            f"that of Postgres, over {tolerance_s:g} s",
            "have both machines follow the same time servers (chrony, systemd-timesyncd)",
        )


def synchronisation(synchronised: bool | None) -> Iterable[Finding]:
    """Findings about the kernel's own clock. Containers and test machines often have no time server to follow."""
    if synchronised is False:
        yield Finding(
            "clock_unsynchronised",
            Severity.WARNING,
            "the kernel says that no time server keeps its clock",
            "run chrony or systemd-timesyncd on the host",
        )
