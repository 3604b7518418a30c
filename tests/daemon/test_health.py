"""The daemon's health: what it reports while the journal is committed to the ledger."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bridge import telemetry
from bridge.asterisk.journal.file import JournalFile
from bridge.daemon.health import Health, Parts
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Incident
from bridge.usecases.metering.keep_minutes import Progress
from tests.asterisk.journal.journal_lines import append, line


async def waiting_bytes(told: Health) -> float | None:
    """The gauge, set anew."""
    telemetry.JOURNAL_BACKLOG_BYTES.set(-1)
    gauges = asyncio.create_task(told.keep_gauges())
    async with asyncio.timeout(10):
        while (found := telemetry.REGISTRY.get_sample_value("bridge_journal_backlog_bytes")) == -1:
            await asyncio.sleep(0.005)
    gauges.cancel()
    await asyncio.wait([gauges])
    return found


async def test_before_the_first_commit_all_of_it_waits(tmp_path: Path) -> None:
    path = tmp_path / "cel.jsonl"
    append(path, line(1), line(2))
    journal = JournalFile(path, 1 << 30)
    other: Any = SimpleNamespace(participants=0, age_s=lambda: 0.0, worst_lengths=lambda: ({9: 16, 6: 1}, {}))
    told = Health(Parts(other, other, other, journal, other, other, other, other))
    told.on_progress(Progress(0, (), None, Fold("n", 60)))
    assert told.committed() is None
    assert await waiting_bytes(told) == path.stat().st_size
    assert telemetry.REGISTRY.get_sample_value("bridge_guess_odds", {"space": "shared"}) == 1.016e-6
    assert telemetry.REGISTRY.get_sample_value("bridge_guess_odds", {"space": "own"}) == 0
    batch = await anext(journal.read(None))
    told.on_progress(Progress(2, (), batch.position, Fold("n", 60)))
    assert told.committed() == batch.position
    assert await waiting_bytes(told) == 0


def counted(kind: str) -> float:
    return telemetry.REGISTRY.get_sample_value("bridge_journal_incidents_total", {"kind": kind}) or 0


def test_incidents_of_the_journal_and_of_the_ledger_are_counted_with_the_progress(tmp_path: Path) -> None:
    other: Any = SimpleNamespace()
    health = Health(Parts(*[other] * 8))
    before = counted("torn_line"), counted("unassigned_stay")
    torn, unassigned = Incident(1, "torn_line", "HANGUP"), Incident(1, "unassigned_stay", "n-7.1")
    health.on_progress(Progress(3, [torn], None, Fold("n", 60), [unassigned]))
    assert (counted("torn_line"), counted("unassigned_stay")) == (before[0] + 1, before[1] + 1)
