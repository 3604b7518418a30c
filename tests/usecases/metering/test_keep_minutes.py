"""Journal → ledger, with a journal and a ledger in memory."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import Change, Incident
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.usecases.metering import keep_minutes as keeping
from bridge.usecases.metering.keep_minutes import Progress, keep_minutes
from bridge.usecases.metering.ports import Batch, Position
from tests.domain.metering.journals import SECOND, START, CallLines, alive, boot, booting
from tests.usecases.metering.fake_journal import FakeJournal
from tests.usecases.metering.fake_ledger import FakeLedger

BEATS = [*booting(START), alive(START + SECOND)]
CALL = CallLines("n-7.1", START + 2 * SECOND)


@dataclass
class FlakyLedger(FakeLedger):
    """A ledger that finds the incident `finds` in each commit, and is away at times.

    The first `fails_before` commits are not carried out; of the next `fails_after`, which are, the answer gets lost.
    """

    finds: Incident | None = None
    fails_before: int = 0
    fails_after: int = 0
    tries: int = 0

    async def commit(
        self, node: str, before: Position | None, after: Position, switch_state: SwitchState, changes: Sequence[Change]
    ) -> Sequence[Incident]:
        self.tries += 1
        if self.tries <= self.fails_before:
            raise Unavailable("away")
        await super().commit(node, before, after, switch_state, changes)
        if self.tries <= self.fails_before + self.fails_after:
            raise Unavailable("the answer is lost")
        return [self.finds] if self.finds else []


def batch(offset: int, lines: Sequence[bytes]) -> Batch:
    return Batch(lines, Position("f", offset))


async def told(ledger: FakeLedger, *batches: Batch) -> list[Progress]:
    """The progress that is reported for each batch."""
    progress: list[Progress] = []
    journal = FakeJournal(list(batches))
    keeping = asyncio.create_task(keep_minutes("n", journal, ledger, 60 * SECOND, progress.append, lambda _: None))
    drained = asyncio.create_task(journal.drained.wait())
    async with asyncio.timeout(10):
        await asyncio.wait([keeping, drained], return_when=asyncio.FIRST_COMPLETED)
    for task in (keeping, drained):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    return progress


async def test_only_places_that_are_committed_are_told() -> None:
    ledger = FakeLedger()
    idle = [alive(START + 8 * SECOND, count=3)]
    progress = await told(ledger, batch(100, BEATS), batch(200, CALL.lines()), batch(300, idle))
    assert ledger.moves == [(None, Position("f", 200))]
    assert [found.position for found in progress] == [None, Position("f", 200), Position("f", 200)]
    assert [found.lines for found in progress] == [0, len(BEATS) + len(CALL.lines()), 0]


async def test_a_place_that_another_daemon_committed_is_told_at_once() -> None:
    until = 50 + sum(len(line) + 1 for line in BEATS)
    progress = await told(FakeLedger({"n": Position("f", 50)}), batch(until, BEATS))
    assert [found.position for found in progress] == [Position("f", 50)]


async def test_what_may_be_old_is_not_committed_before_it_is_known_to_be_new() -> None:
    """The clock is stepped back behind the boot's beginning, or lines of an earlier boot come once more."""
    ledger = FakeLedger()
    earlier = [boot(START - 100 * SECOND, "n-0.0"), alive(START - 99 * SECOND, 0, "n-0.0")]
    held = CallLines("n-7.2", START - 50 * SECOND).lines()[:2]
    lines = [*earlier, *BEATS, *CALL.lines(), *held]
    until = 1000 + sum(len(line) + 1 for line in lines)
    beat = alive(START - 49 * SECOND, count=3)
    ends = Position("f:bytes", until), Position("f:others", until + len(beat) + 1)
    progress = await told(ledger, Batch(lines, ends[0]), Batch([beat], ends[1]))
    # The bytes that identify the batch's end are not those before the held lines.
    place = Position("f", until - sum(len(line) + 1 for line in held))
    assert ledger.moves == [(None, place), (place, ends[1])]
    assert [found.lines for found in progress] == [len(lines), 1]


@pytest.mark.parametrize(("fails_before", "fails_after"), [(0, 0), (2, 0), (0, 1), (2, 2)])
async def test_incidents_are_reported_once_however_often_their_commit_is_tried(
    fails_before: int, fails_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LONGEST_RETRY_S", 0.0)
    monkeypatch.setattr(keeping, "FIRST_RETRY_S", 0.0)
    unassigned = Incident(START, "unassigned_stay", "n-7.1")
    ledger = FlakyLedger(finds=unassigned, fails_before=fails_before, fails_after=fails_after)
    [report] = await told(ledger, batch(200, [*BEATS, b"garbage", *CALL.lines()]))
    assert ledger.tries == fails_before + fails_after + 1
    assert len(ledger.moves) == 1
    assert [change.kind for change in report.changes if isinstance(change, Incident)] == ["garbage_line"]
    assert report.ledger_incidents == [unassigned]
