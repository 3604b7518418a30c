import gzip
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.asterisk.journal import archive
from bridge.asterisk.journal import reader as journal_reader
from bridge.asterisk.journal.archive import Archivist
from bridge.asterisk.journal.files import JournalFiles, ListedFile
from bridge.asterisk.journal.reader import Reader
from bridge.usecases.metering.ports import Position
from tests.asterisk.journal.journal_lines import START, append, line

DAY = 86400


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reader, "QUIET_S", -1.0)
    monkeypatch.setattr(archive, "RESTING_S", -1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "cel.jsonl"


@pytest.fixture
def files(path: Path, tmp_path: Path) -> JournalFiles:
    path.parent.mkdir()
    (tmp_path / "archive").mkdir()
    return JournalFiles(path, tmp_path / "archive")


def rotated(path: Path, *days: int) -> list[Path]:
    """A file with one line for each day, all but the last renamed away."""
    archives = []
    for day in days:
        append(path, line(day * DAY))
        archives.append(path.rename(path.with_name(f"cel-{day:04}.jsonl")))
    archives[-1].rename(path)
    return archives[:-1]


def places(files: JournalFiles) -> list[Position]:
    """The end of each file."""
    found = []
    with closing(Reader(files, None, 1 << 30)) as reader:
        while batch := reader.take():
            found.append(batch.position)
    return found


def text(files: JournalFiles) -> list[str]:
    return [text.decode() for _, _, text in journal_reader.history(files, None)]


def test_only_what_is_committed_is_packed(files: JournalFiles) -> None:
    rotated(files.path, 0, 1, 2, 3)
    before, archivist = text(files), Archivist(files, 0)
    archivist.round(None)
    assert not list(files.folder.iterdir())
    archivist.round(places(files)[2])
    assert len(list(files.folder.iterdir())) == 2
    assert sorted(path.name for path in files.path.parent.iterdir()) == ["cel-0002.jsonl", "cel.jsonl"]
    assert text(files) == before


def test_a_packed_archive_keeps_time_and_mode_and_is_gzip(files: JournalFiles) -> None:
    plain, *_ = rotated(files.path, 0, 1)
    plain.chmod(0o640)
    os.utime(plain, (1_700_000_000, 1_700_000_000))
    Archivist(files, 0).round(places(files)[-1])
    (packed,) = files.folder.iterdir()
    assert gzip.decompress(packed.read_bytes()).decode() == line(0) + "\n"
    assert stat.S_IMODE(packed.stat().st_mode) == 0o640
    assert packed.stat().st_mtime == 1_700_000_000
    assert packed.name.startswith("cel-20261123T120319000000Z-")


def test_a_position_in_a_packed_archive_is_gone_on_from(files: JournalFiles) -> None:
    append(files.path, *map(line, range(5000)))
    files.path.rename(files.path.with_name("cel.jsonl.1"))
    append(files.path, line(5000))
    *_, end = places(files)
    append(files.path.with_name("first"), *map(line, range(1234)))
    size = files.path.with_name("first").stat().st_size
    identity = next(iter(journal_reader.history(files, None)))[0]
    Archivist(files, 0).round(end)
    assert [path.suffix for path in files.folder.iterdir()] == [".gz"]
    with closing(Reader(files, Position(identity, size), 1 << 30)) as reader:
        lines = []
        while batch := reader.take():
            lines += [text.decode() for text in batch.lines]
    assert lines == list(map(line, range(1234, 5001)))


def test_what_is_old_and_committed_is_pruned_by_the_times_within(
    files: JournalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated(files.path, 0, 1, 2, 30)
    monkeypatch.setattr(time, "time", lambda: START / 1e6 + 31 * DAY)
    Archivist(files, 28).round(places(files)[0])
    assert text(files)[0] == line(0)
    Archivist(files, 28).round(places(files)[-1])
    # The second file ends where the third begins, 28 days before the last.
    assert text(files) == [line(DAY), line(2 * DAY), line(30 * DAY)]
    Archivist(files, 0).round(places(files)[-1])
    assert len(text(files)) == 3


def test_a_clock_that_is_wrong_by_years_prunes_nothing(files: JournalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    rotated(files.path, 0, 1, 2)
    committed = places(files)[-1]
    monkeypatch.setattr(time, "time", lambda: START / 1e6 + 40_000 * DAY)
    Archivist(files, 28).round(committed)
    assert len(text(files)) == 3


def test_a_crash_while_packing_leaves_nothing_half(files: JournalFiles) -> None:
    plain, *_ = rotated(files.path, 0, 1)
    committed = places(files)[-1]
    saved = plain.read_bytes()
    Archivist(files, 0).round(committed)
    (packed,) = files.folder.iterdir()
    half = packed.with_name(f".{packed.name}.part")
    half.write_bytes(packed.read_bytes()[:10])
    plain.write_bytes(saved)
    assert text(files) == [line(0), line(DAY)]
    Archivist(files, 0).round(committed)
    assert list(files.folder.iterdir()) == [packed]
    assert not plain.exists()


def test_packing_writes_through_no_link_that_was_planted_meanwhile(
    files: JournalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's folder is open to Asterisk's user, and the daemon may be root's."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    rotated(files.path, 0, 1)
    position, targets = places(files)[-1], Archivist._targets

    def plant(archivist: Archivist, part: ListedFile) -> Iterator[Path]:
        for target in targets(archivist, part):
            target.with_name(f".{target.name}{archive.UNFINISHED}").symlink_to(victim)
            yield target

    monkeypatch.setattr(Archivist, "_targets", plant)
    Archivist(files, 0).round(position)
    (packed,) = files.folder.iterdir()
    assert not packed.is_symlink()
    assert gzip.decompress(packed.read_bytes()).decode() == line(0) + "\n"
    assert victim.read_text() == "kept"


def test_a_longer_copy_is_kept_beside_a_shorter_one(files: JournalFiles) -> None:
    append(files.path, line(1))
    short = files.path.with_name("cel.jsonl.2")
    shutil.copyfile(files.path, short)
    append(files.path, line(2))
    files.path.rename(files.path.with_name("cel.jsonl.3"))
    append(files.path, line(3))
    committed = places(files)[-1]
    short_text = short.read_text()
    files.path.with_name("cel.jsonl.3").rename(files.path.with_name("away"))
    Archivist(files, 0).round(committed)
    files.path.with_name("away").rename(files.path.with_name("cel.jsonl.3"))
    Archivist(files, 0).round(committed)
    held = sorted(gzip.decompress(path.read_bytes()).decode() for path in files.folder.iterdir())
    assert held == [short_text, line(1) + "\n" + line(2) + "\n"]


def test_a_folder_that_is_not_there_is_told_once_and_used_when_it_comes(files: JournalFiles) -> None:
    rotated(files.path, 0, 1)
    committed = places(files)[-1]
    files.folder.rmdir()
    archivist = Archivist(files, 0)
    with capture_logs() as logs:
        archivist.round(committed)
        archivist.round(committed)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"].count("journal_not_archived") == 1
    assert text(files) == [line(0), line(DAY)]
    files.folder.mkdir()
    archivist.round(committed)
    assert len(list(files.folder.iterdir())) == 1


def test_a_full_disk_is_told_once_and_leaves_nothing_half(files: JournalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    rotated(files.path, 0, 1, 2)
    committed, archivist = places(files)[-1], Archivist(files, 0)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(os, "fsync", full)
        archivist.round(committed)
        archivist.round(committed)
    assert [entry["event"] for entry in logs] == ["journal_not_archived"]
    assert not list(files.folder.iterdir())
    archivist.round(committed)
    assert len(list(files.folder.iterdir())) == 2


def test_a_stop_ends_packing_early(files: JournalFiles) -> None:
    rotated(files.path, 0, 1)
    archivist = Archivist(files, 0)
    archivist.stop()
    archivist.round(places(files)[-1])
    assert not list(files.folder.iterdir())
