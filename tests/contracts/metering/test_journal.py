"""The contract of metering_ports.Journal: the fake of the use cases' tests, and a real file."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from bridge.asterisk.journal import file as journal_file
from bridge.asterisk.journal.file import JournalFile
from bridge.usecases.metering.ports import Batch, Journal, Position
from tests.asterisk.journal.journal_lines import append, line
from tests.usecases.metering.fake_journal import FakeJournal

LINES = [line(number) for number in range(6)]


@dataclass(frozen=True)
class Installation:
    """A journal, and a way to write whole lines into it."""

    journal: Journal
    write: Callable[[list[str]], None]


def _fake() -> Installation:
    journal = FakeJournal([])
    size = 0

    def write(lines: list[str]) -> None:
        nonlocal size
        size += sum(len(one) + 1 for one in lines)
        journal.append(Batch([one.encode() for one in lines], Position(f"f:{size}", size)))

    return Installation(journal, write)


@pytest.fixture(params=["fake", "real"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    if request.param == "fake":
        return _fake()
    monkeypatch.setattr(journal_file, "POLL_S", 0.005)
    path = tmp_path / "cel.jsonl"
    return Installation(JournalFile(path, 1 << 30), lambda lines: append(path, *lines))


def batches(journal: Journal, position: Position | None) -> AsyncGenerator[Batch, None]:
    return cast("AsyncGenerator[Batch, None]", journal.read(position))


async def read(journal: Journal, position: Position | None, count: int) -> tuple[list[str], Position]:
    """Read batches until there are `count` lines. Return the lines, and the position after them."""
    lines: list[str] = []
    async with asyncio.timeout(10), aclosing(batches(journal, position)) as reading:
        async for batch in reading:
            lines += [one.decode() for one in batch.lines]
            position = batch.position
            if len(lines) >= count:
                break
    assert position is not None
    return lines, position


async def test_all_lines_come_in_their_order_without_newlines(installation: Installation) -> None:
    installation.write(LINES[:2])
    installation.write(LINES[2:])
    assert (await read(installation.journal, None, 6))[0] == LINES


async def test_reading_goes_on_after_a_position(installation: Installation) -> None:
    installation.write(LINES[:2])
    first, position = await read(installation.journal, None, 2)
    installation.write(LINES[2:])
    # Twice: a reader changes nothing for the next one.
    for _ in range(2):
        rest, end = await read(installation.journal, position, 4)
        assert (first, rest) == (LINES[:2], LINES[2:])
        assert end != position


async def test_a_position_may_lie_between_any_two_lines(installation: Installation) -> None:
    installation.write(LINES)
    _, end = await read(installation.journal, None, 6)
    for count in range(1, 6):
        size = sum(len(one) + 1 for one in LINES[-count:])
        between = end.earlier(end.offset - size)
        assert await read(installation.journal, between, count) == (LINES[-count:], end)


async def test_a_position_whose_bytes_are_not_there_is_read_again_from_the_start(installation: Installation) -> None:
    installation.write(LINES)
    _, end = await read(installation.journal, None, 6)
    elsewhere = Position(end.file, end.offset - len(LINES[-1]) - 1)
    async with asyncio.timeout(10), aclosing(batches(installation.journal, elsewhere)) as reading:
        batch = await anext(reading)
    assert [one.decode() for one in batch.lines] == LINES
    assert batch.may_replay


async def test_lines_come_as_they_are_written_and_reading_never_ends(installation: Installation) -> None:
    installation.write(LINES[:1])
    async with asyncio.timeout(10), aclosing(batches(installation.journal, None)) as reading:
        assert [one.decode() for one in (await anext(reading)).lines] == LINES[:1]
        for number in (1, 2):
            waiting = asyncio.ensure_future(anext(reading))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            installation.write(LINES[number : number + 1])
            batch = await waiting
            assert [one.decode() for one in batch.lines] == LINES[number : number + 1]
            assert not batch.may_replay


async def test_an_empty_journal_is_waited_for(installation: Installation) -> None:
    async with asyncio.timeout(10), aclosing(batches(installation.journal, None)) as reading:
        waiting = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        installation.write(LINES[:2])
        assert [one.decode() for one in (await waiting).lines] == LINES[:2]
