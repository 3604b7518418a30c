"""Checks of Postgres: that it answers, its schema, its clock, the passcode key, how far the journal is committed,
incidents, numbers that callers dialled in vain, the odds of a guess, and how much was guessed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.asterisk.journal.file import JournalFile
from bridge.doctor import guessing
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, found, warned, well
from bridge.domain.errors import Conflict, Unavailable
from bridge.domain.metering import meter_health
from bridge.domain.period import SECOND_US
from bridge.settings import DaemonSettings, DatabaseSettings
from bridge.storage import keys
from bridge.storage.admission import attempts
from bridge.storage.admission.attempts import UnknownNumber
from bridge.storage.directory import key_check
from bridge.storage.metering import status
from bridge.storage.postgres import migration
from bridge.storage.postgres.clock import PostgresClock
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning import code_space

COMMAND_S: Final = 3.0
BEHIND_S: Final = 30.0
DAY: Final = timedelta(days=1)
MONTH: Final = timedelta(days=30)
GUESSED_SHARE: Final = 0.5
"""From this share of what guessing may cost on, somebody should look at it."""
TOLERANCE_S: Final = 3.0
UNREADABLE: Final = "garbage_line"
MEND: Final = (
    "see the log of Postgres; until it answers, callers with passcodes that this node knows get in, and minutes wait "
    "in the journal"
)
CATCHES_UP: Final = (
    "no minute is lost, but bills lack the newest until the daemon runs, Postgres answers and the journal is read"
)


def check(configured: Configured) -> Check | None:
    """Return the check of Postgres, or None without settings."""
    if configured.database is None:
        return None
    database, daemon, switch = configured.database, configured.daemon, configured.switch
    tolerance_s = daemon.clock_tolerance if daemon else TOLERANCE_S
    journal = JournalFile(switch.journal, 0, daemon.journal_archive if daemon else None) if switch else None

    async def work() -> AsyncIterator[Result]:
        async for result in _results(database, switch.node if switch else "", journal, tolerance_s, daemon):
            yield result

    return Check("postgres", work, MEND)


async def _results(
    chosen: DatabaseSettings,
    node: str,
    journal: JournalFile | None,
    tolerance_s: float,
    daemon: DaemonSettings | None,
) -> AsyncIterator[Result]:
    url = chosen.database_url.get_secret_value()
    ring = keys.derive(*daemon.passcode_secrets) if daemon else None
    async with Database(url, "bridge doctor", pool=0, command_s=COMMAND_S) as database:
        clock = PostgresClock(database)
        at: status.Committed | None = None
        incidents: dict[str, int] = {}
        try:
            async with asyncio.timeout(COMMAND_S):
                await clock.read()
            yield well("postgres", f"answers at {database.url.where}, database {database.url.database!r}")
            await migration.check_current(database)
            yield well("schema", "the tables are those that this version needs")
            yield _timed(clock, tolerance_s)
            async with database.snapshot() as connection:
                at = await status.committed(connection, node)
                incidents = await status.strange(connection, node, datetime.now(UTC) - DAY)
                right = ring is None or await key_check.is_right(connection, ring)
                dialled = await attempts.unknown_numbers(connection, datetime.now(UTC) - DAY)
                openings = await attempts.expected_openings(connection, datetime.now(UTC) - MONTH)
                spaces = await code_space.spaces(connection, chosen.code_lengths)
            if ring is not None:
                yield _key(right)
            yield _dialled(dialled)
            yield guessing.odds(spaces, chosen.code_lengths)
            if daemon is not None:
                yield _guessed(openings, daemon.guess_openings)
        except TimeoutError:
            yield failed("postgres", f"no answer at {database.url.where} within {COMMAND_S:g} s", MEND)
        except Unavailable as error:
            yield failed("postgres", str(error), MEND)
        except Conflict as error:
            yield failed("schema", str(error), "run `bridge migrate` of the same version as the daemon")
        else:
            if journal is not None:
                yield await asyncio.to_thread(_backlog, journal, at)
                yield _incidents(incidents)
            return
    if journal is not None:
        yield await asyncio.to_thread(_unknown, journal)


def _timed(clock: PostgresClock, tolerance_s: float) -> Result:
    seen = clock.clock
    for finding in meter_health.clock(seen, tolerance_s):
        return found("clock", finding)
    return well("clock", f"{1000 * seen.offset_s:+.0f} ms against Postgres" if seen else "not compared with Postgres")


def _backlog(journal: JournalFile, at: status.Committed | None) -> Result:
    waiting = journal.backlog(at.position if at else None)
    if at is None:
        if not waiting:
            return well("backlog", "the journal is empty")
        return warned("backlog", f"none of the journal's {waiting} bytes are committed yet", CATCHES_UP)
    seconds = max(0.0, time.time() - at.last_us / SECOND_US) if waiting else 0.0
    text = f"{seconds:.0f} s and {waiting} bytes of the journal are not committed"
    if seconds > BEHIND_S:
        return warned("backlog", text, CATCHES_UP)
    return well("backlog", text)


def _unknown(journal: JournalFile) -> Result:
    """Return the largest possible backlog, for when Postgres does not say how far the journal is committed."""
    return warned("backlog", f"at most {journal.backlog(None)} bytes of the journal are not committed", CATCHES_UP)


def _key(right: bool) -> Result:
    if right:
        return well("passcode key", "BRIDGE_PASSCODE_KEY is the key that passcodes are kept under")
    return failed("passcode key", key_check.WRONG, key_check.MEND)


def _dialled(unknown: Sequence[UnknownNumber]) -> Result:
    if not unknown:
        return well("dialled", "within 24 h nobody dialled a number that is no access number")
    told = ", ".join(f"{one.number or 'no number'} ({one.calls})" for one in unknown)
    mends = [one.advice for one in unknown if one.advice]
    mend = "; ".join(mends or ["have the trunk send the form of the access number, or add the number that it sends"])
    return warned("dialled", f"no access number, but dialled within 24 h (calls): {told}", mend)


def _guessed(openings: float, allowed: float) -> Result:
    told = f"wrong entries of 30 days used {openings / allowed:.0%} of what BRIDGE_GUESS_OPENINGS allows"
    if openings < GUESSED_SHARE * allowed:
        return well("guessing", told)
    mend = "see `bridge attempt list`: if honest callers mistype, longer passcodes or known callers help; guessers wait"
    return warned("guessing", told, mend)


def _incidents(incidents: dict[str, int]) -> Result:
    if not incidents:
        return well("incidents", "none within 24 h")
    kinds = ", ".join(f"{number} {kind}" for kind, number in incidents.items())
    mend = "see `bridge journal incidents`, and check the minute records of that time"
    if UNREADABLE in incidents:
        mend += f"; {UNREADABLE} is a journal line that could not be read: check the disk"
    return warned("incidents", f"within 24 h: {kinds}", mend)
