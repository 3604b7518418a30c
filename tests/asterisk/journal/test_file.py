import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from threading import Lock

import pytest
from structlog.testing import capture_logs

from bridge.asterisk.journal import archive as journal_archive
from bridge.asterisk.journal import content, reader
from bridge.asterisk.journal import file as journal_file
from bridge.asterisk.journal.file import JournalFile
from bridge.usecases.metering.ports import Batch, Position
from tests.asterisk.journal.journal_lines import START, append, copy_truncate, line, pack

ONE, TWO, THREE = line(1), line(2), line(3)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "QUIET_S", 0.05)
    monkeypatch.setattr(journal_archive, "RESTING_S", 0.0)
    monkeypatch.setattr(journal_file, "POLL_S", 0.005)
    monkeypatch.setattr(journal_file, "TIDY_S", 0.01)


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


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cel.jsonl"


async def test_lines_are_read_once_and_go_on_from_a_position(path: Path) -> None:
    append(path, ONE, TWO)
    journal = JournalFile(path, 1 << 30)
    lines, position = await read(journal, None, 2)
    assert lines == [ONE, TWO]
    append(path, THREE)
    assert (await read(journal, position, 1))[0] == [THREE]


async def test_a_line_counts_once_it_is_whole(path: Path) -> None:
    append(path, ONE, TWO[:20], end="")
    journal = JournalFile(path, 1 << 30)
    lines, position = await read(journal, None, 1)
    assert lines == [ONE]
    append(path, TWO[20:])
    assert (await read(journal, position, 1))[0] == [TWO]


async def test_a_journal_that_is_not_there_yet_is_waited_for(path: Path) -> None:
    journal = JournalFile(path, 1 << 30)
    reading = asyncio.create_task(read(journal, None, 1))
    await asyncio.sleep(0)
    append(path, ONE)
    assert (await reading)[0] == [ONE]


async def test_a_line_written_to_a_file_just_renamed_is_not_lost(path: Path) -> None:
    append(path, ONE)
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    with path.open("a") as late:
        path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
        append(path, THREE)
        reading = asyncio.create_task(read(journal, position, 2))
        await asyncio.sleep(0)
        late.write(TWO + "\n")
    assert (await reading)[0] == [TWO, THREE]


async def test_several_rotations_while_nobody_read(path: Path) -> None:
    append(path, ONE)
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    append(path, TWO)
    for number in (9, 8, 7):
        path.rename(path.with_name(f"cel.jsonl.{number}"))
        append(path, line(20 - number))
    assert (await read(journal, position, 4))[0] == [TWO, line(11), line(12), line(13)]


async def test_a_file_that_has_grown_is_rotated_by_the_reader(path: Path) -> None:
    journal = JournalFile(path, 20)
    append(path, ONE)
    reading = asyncio.create_task(read(journal, None, 2))
    async with asyncio.timeout(10):
        while path.exists():
            await asyncio.sleep(0.005)
    append(path, TWO)
    assert (await reading)[0] == [ONE, TWO]
    assert len({file for file, _, _ in journal.history(None)}) == 2


async def test_a_busy_journal_is_rotated_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is there whenever the reader looks."""
    monkeypatch.setattr(journal_file, "POLL_S", 0.0)
    append(path, ONE)
    journal = JournalFile(path, 5 * len(ONE))
    async with asyncio.timeout(10), aclosing(_batches(journal, None)) as batches:
        async for _ in batches:
            append(path, TWO)
            if len(list(path.parent.iterdir())) > 1:
                break


async def test_a_backlog_is_read_without_pauses_and_its_end_with_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "BLOCK", 4 * len(ONE))
    monkeypatch.setattr(reader, "QUIET_S", -1.0)
    for number in (3, 2, 1):
        append(path.with_name(f"cel.jsonl.{number}"), *(line(10 * (9 - number) + place) for place in range(8)))
    append(path, line(100))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(journal_file.asyncio, "sleep", sleep)
    lines: list[bytes] = []
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), None)) as batches:
        async for batch in batches:
            lines += batch.lines
            if len(lines) == 25:
                assert not pauses
                append(path, line(101))
            if len(lines) == 26:
                break
    assert pauses == [journal_file.POLL_S]


async def test_a_torn_last_line_of_an_archive_is_handed_on(path: Path) -> None:
    append(path, ONE, TWO[:20], end="")
    path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
    append(path, THREE)
    assert (await read(JournalFile(path, 1 << 30), None, 3))[0] == [ONE, TWO[:20], THREE]


async def test_a_line_without_end_does_not_stop_the_tail(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "BLOCK", 128)
    append(path, "x" * 5000, TWO)
    lines, _ = await read(JournalFile(path, 1 << 30), None, 41)
    assert "".join(lines) == "x" * 5000 + TWO


async def test_the_backlog_counts_all_files_in_bytes_unpacked(path: Path) -> None:
    append(path, ONE)
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    assert journal.backlog(position) == 0
    append(path, TWO)
    archive = path.rename(path.with_name("cel-20261123T000000Z.jsonl"))
    append(path, THREE)
    size = len(ONE) + 1
    assert journal.backlog(position) == 2 * size
    assert journal.backlog(None) == 3 * size
    pack(archive)
    assert journal.backlog(position) == 2 * size
    assert journal.backlog(None) == 3 * size


async def test_the_backlog_of_a_file_that_is_being_copied_counts_once(path: Path) -> None:
    append(path, ONE)
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    append(path, TWO)
    path.with_name("cel.jsonl.1").write_bytes(path.read_bytes())
    assert journal.backlog(position) == len(TWO) + 1
    assert journal.backlog(None) == len(ONE) + len(TWO) + 2


async def test_a_lost_position_is_waited_for_and_nothing_is_skipped(path: Path) -> None:
    append(path, ONE)
    journal = JournalFile(path, 1 << 30)
    _, position = await read(journal, None, 1)
    append(path, TWO)
    away = path.rename(path.with_name("moved-away"))
    append(path, THREE)
    with capture_logs() as logs:
        reading = asyncio.create_task(read(journal, position, 2))
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.005)
        assert not reading.done()
        away.rename(path.with_name("cel-20261123T000000Z.jsonl"))
        assert (await reading)[0] == [TWO, THREE]
    assert [entry["event"] for entry in logs] == ["journal_position_lost"]


async def test_a_truncated_journal_is_read_on_from_its_new_beginning(path: Path) -> None:
    append(path, ONE, TWO)
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), None)) as batches:
        before = await anext(batches)
        path.write_text(THREE + "\n")
        after = await anext(batches)
    assert (before.lines, after.lines) == ([ONE.encode(), TWO.encode()], [THREE.encode()])
    assert after.position.offset == len(THREE) + 1
    assert after.position.file != before.position.file


async def test_copytruncate_while_it_is_followed_loses_nothing(path: Path) -> None:
    append(path, ONE)
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), None)) as batches:
        assert (await anext(batches)).lines == [ONE.encode()]
        append(path, TWO)
        copy_truncate(path, path.with_name("cel.jsonl.1"))
        append(path, THREE)
        assert (await anext(batches)).lines == [TWO.encode()]
        assert (await anext(batches)).lines == [THREE.encode()]


async def test_a_journal_whose_end_is_cut_off_while_it_is_followed_is_read_on_from_there(path: Path) -> None:
    lines = [line(number) for number in range(1, 60)]
    append(path, *lines)
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), None)) as batches:
        read: list[bytes] = []
        async for batch in batches:
            read += batch.lines
            if len(read) == len(lines):
                with path.open("r+b") as file:
                    file.truncate(path.stat().st_size - 30)
                append(path, THREE)
            elif len(read) > len(lines):
                break
    assert [found.decode() for found in read] == [*lines, THREE]
    assert not batch.may_replay


async def test_an_older_copy_is_read_from_its_start_and_says_so(path: Path) -> None:
    append(path, ONE, TWO, THREE)
    _, position = await read(JournalFile(path, 1 << 30), None, 3)
    path.unlink()
    append(path, ONE, TWO)
    async with asyncio.timeout(10), aclosing(_batches(JournalFile(path, 1 << 30), position)) as batches:
        batch = await anext(batches)
    assert [found.decode() for found in batch.lines] == [ONE, TWO]
    assert batch.may_replay


async def test_a_reader_that_is_cancelled_lets_its_file_go(path: Path) -> None:
    append(path, ONE)
    opened = _open_files()
    for _ in range(20):
        reading = asyncio.create_task(read(JournalFile(path, 1 << 30), None, 2))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    async with asyncio.timeout(10):
        while _open_files() > opened:
            await asyncio.sleep(0.005)


async def test_archives_are_packed_elsewhere_while_the_journal_is_followed(path: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    journal = JournalFile(path, 20, archive, 400)
    committed: list[Position] = []
    tidying = asyncio.create_task(journal.tidy(lambda: committed[-1] if committed else None))
    batches = _batches(journal, None)
    async with asyncio.timeout(10):
        coming = asyncio.ensure_future(anext(batches))
        for number in range(5):
            append(path, line(number))
            batch = await coming
            assert batch.lines == [line(number).encode()]
            committed.append(batch.position)
            coming = asyncio.ensure_future(anext(batches))
            while path.exists():
                await asyncio.sleep(0.005)
        while len(list(archive.glob("cel-*.gz"))) < 4:
            await asyncio.sleep(0.005)
    coming.cancel()
    tidying.cancel()
    names = sorted(archive.glob("cel-*.gz"))
    assert [gzip.decompress(name.read_bytes()).decode() for name in names] == [line(at) + "\n" for at in range(4)]
    assert (await read(journal, committed[1], 3))[0] == [line(2), line(3), line(4)]
    assert [text.decode() for _, _, text in journal.history(START / 1e6 + 2)] == [line(2), line(3), line(4)]


async def test_every_line_is_read_once_while_it_is_written_rotated_and_packed(path: Path, tmp_path: Path) -> None:
    archive, count, writing = tmp_path / "archive", 6000, Lock()
    archive.mkdir()

    def write() -> None:
        for number in range(count):
            with writing:
                append(path, line(number))

    def rotate(turn: int) -> None:
        with writing:  # what is written between a copy and its truncation is lost, whoever reads
            aside = path.with_name(f"cel.jsonl.{turn}")
            if not path.exists():
                return
            if turn % 2:
                copy_truncate(path, aside)
            else:
                path.rename(aside)
            if turn % 3 == 0:
                pack(aside)

    journal = JournalFile(path, 1 << 14, archive)
    read: list[str] = []
    committed: list[Position] = []
    work = [
        asyncio.create_task(journal.tidy(lambda: committed[-1] if committed else None)),
        asyncio.create_task(journal.sync()),
    ]
    writer = asyncio.create_task(asyncio.to_thread(write))
    async with asyncio.timeout(60):
        for turn in itertools.count():
            async with aclosing(_batches(journal, committed[-1] if committed else None)) as batches:
                async for batch in batches:
                    read += [text.decode() for text in batch.lines]
                    committed.append(batch.position)
                    if len(read) >= count or len(read) > turn * count // 12:
                        break
            if len(read) >= count:
                break
            await asyncio.to_thread(rotate, turn)
    await writer
    for task in work:
        task.cancel()
    assert read == [line(number) for number in range(count)]
    assert [text.decode() for _, _, text in journal.history(None)] == read
    assert journal.backlog(committed[-1]) == 0
