import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bridge.asterisk import journal_file
from bridge.asterisk.journal_file import JournalFile
from bridge.usecases.ports import Batch, Position


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "QUIET_S", 0.05)
    monkeypatch.setattr(journal_file, "POLL_S", 0.005)


def append(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(lines) + end)


async def read(journal: JournalFile, position: Position | None, count: int) -> tuple[list[str], Position]:
    """The next `count` lines, and the position after them."""
    lines: list[str] = []
    async with asyncio.timeout(10), aclosing(_batches(journal, position)) as batches:
        async for batch in batches:
            lines += [line.decode() for line in batch.lines]
            position = batch.position
            if len(lines) >= count:
                break
    assert position is not None
    return lines, position


def _batches(journal: JournalFile, position: Position | None) -> AsyncIterator[Batch]:
    return journal.read(position)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cel.jsonl"


async def test_lines_are_read_once_and_go_on_from_a_position(path: Path) -> None:
    append(path, "one", "two")
    journal = JournalFile(path, 1 << 30)
    lines, position = await read(journal, None, 2)
    assert lines == ["one", "two"]
    append(path, "three")
    assert (await read(journal, position, 1))[0] == ["three"]


async def test_a_line_counts_once_it_is_whole(path: Path) -> None:
    append(path, "one", "tw", end="")
    journal = JournalFile(path, 1 << 30)
    lines, position = await read(journal, None, 1)
    assert lines == ["one"]
    append(path, "o")
    assert (await read(journal, position, 1))[0] == ["two"]


async def test_a_journal_that_is_not_there_yet_is_waited_for(path: Path) -> None:
    journal = JournalFile(path, 1 << 30)
    reading = asyncio.create_task(read(journal, None, 1))
    await asyncio.sleep(0)
    append(path, "one")
    assert (await reading)[0] == ["one"]


async def test_reading_goes_on_over_a_rotation_by_anyone(path: Path) -> None:
    append(path, "one")
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    append(path, "two")
    path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
    append(path, "three")
    assert (await read(journal, position, 2))[0] == ["two", "three"]


async def test_a_line_written_to_a_file_just_renamed_is_not_lost(path: Path) -> None:
    append(path, "one")
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    archive = path.with_name("cel-20261123T000000Z.jsonl")
    with path.open("a") as late:
        path.rename(archive)
        append(path, "three")
        reading = asyncio.create_task(read(journal, position, 2))
        await asyncio.sleep(0)
        late.write("two\n")
    assert (await reading)[0] == ["two", "three"]


async def test_several_rotations_while_nobody_read(path: Path) -> None:
    append(path, "zero", "one")
    journal = JournalFile(path, 1 << 30)
    position = Position((await read(journal, None, 2))[1].file, len("zero\n"))
    for number in (1, 2, 3):
        path.rename(path.with_name(f"cel-2026112{number}T000000Z.jsonl"))
        append(path, f"file {number}")
    assert (await read(journal, position, 4))[0] == ["one", "file 1", "file 2", "file 3"]


async def test_a_file_that_has_grown_is_rotated_by_the_reader(path: Path) -> None:
    journal = JournalFile(path, 20)
    append(path, "a line of more than twenty bytes")
    reading = asyncio.create_task(read(journal, None, 2))
    async with asyncio.timeout(10):
        while path.exists():
            await asyncio.sleep(0.005)
    append(path, "next")
    assert (await reading)[0] == ["a line of more than twenty bytes", "next"]
    assert len(journal.files()) == 2


async def test_a_torn_last_line_of_an_archive_is_handed_on(path: Path) -> None:
    append(path, "one", "tor", end="")
    path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
    append(path, "two")
    assert (await read(JournalFile(path, 1 << 30), None, 3))[0] == ["one", "tor", "two"]


async def test_a_line_without_end_does_not_stop_the_tail(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "BATCH_BYTES", 64)
    append(path, "x" * 500, "two")
    lines, _ = await read(JournalFile(path, 1 << 30), None, 9)
    assert lines[-1] == "two"


async def test_the_backlog_counts_all_files(path: Path) -> None:
    append(path, "one")
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    append(path, "two")
    path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
    append(path, "three")
    assert journal.backlog(position) == len("two\nthree\n")
    assert journal.backlog(None) == len("one\ntwo\nthree\n")


async def test_a_lost_position_is_waited_for_and_nothing_is_skipped(path: Path) -> None:
    append(path, "one", "two")
    journal = JournalFile(path, 1 << 30)
    position = Position((await read(journal, None, 2))[1].file, len("one\n"))
    archive, away = path.with_name("cel-20261123T000000Z.jsonl"), path.with_name("moved-away")
    path.rename(away)
    append(path, "three")
    reading = asyncio.create_task(read(journal, position, 2))
    done, _ = await asyncio.wait([reading], timeout=0.2)
    assert not done
    away.rename(archive)
    assert (await reading)[0] == ["two", "three"]


async def test_a_truncated_journal_is_read_on_from_its_new_beginning(path: Path) -> None:
    append(path, "one", "two")
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), None)) as batches:
        before = await anext(batches)
        path.write_text("3\n")
        after = await anext(batches)
    assert (before.lines, after.lines) == ([b"one", b"two"], [b"3"])
    assert after.position.offset == len("3\n")
    assert after.position.file != before.position.file
