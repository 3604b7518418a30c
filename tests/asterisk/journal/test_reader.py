import gzip
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.asterisk.journal import archive as journal_archive
from bridge.asterisk.journal import content
from bridge.asterisk.journal import reader as journal_reader
from bridge.asterisk.journal.archive import Archivist
from bridge.asterisk.journal.files import JournalFiles
from bridge.asterisk.journal.reader import Reader
from bridge.domain.errors import BridgeError
from bridge.usecases.metering.ports import Position
from tests.asterisk.journal.journal_lines import append, copy_truncate, line, number, pack


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reader, "QUIET_S", -1.0)
    monkeypatch.setattr(journal_archive, "RESTING_S", -1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cel.jsonl"


def drained(reader: Reader) -> tuple[list[str], Position | None]:
    """All lines that are there, and the place after them."""
    lines, place = [], None
    while batch := reader.take():
        lines += [line.decode(errors="replace") for line in batch.lines]
        place = batch.position
    return lines, place


def read(path: Path, place: Position | None = None) -> tuple[list[str], Position]:
    with closing(Reader(JournalFiles(path), place, 1 << 30)) as reader:
        lines, after = drained(reader)
    assert after is not None
    return lines, after


@pytest.mark.parametrize("name", ["cel-20261123T000000Z.jsonl", "cel.jsonl.1", "cel.jsonl-20261124", "cel-1.jsonl"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_may_have_any_name_and_be_gzipped(path: Path, name: str, packed: bool) -> None:
    append(path, line(1))
    _, place = read(path)
    append(path, line(2))
    archive = path.rename(path.with_name(name))
    if packed:
        pack(archive)
    append(path, line(3))
    assert read(path, place)[0] == [line(2), line(3)]
    assert read(path)[0] == [line(1), line(2), line(3)]


def test_archives_are_ordered_by_what_they_hold(path: Path) -> None:
    for at, name in enumerate(["cel.jsonl.1", "cel.jsonl-20200101", "cel-20300101T000000Z.jsonl", "cel.jsonl.3"]):
        append(path, "garbage", line(at))
        path.rename(path.with_name(name))
    append(path, line(9))
    assert [text for text in read(path)[0] if text != "garbage"] == [line(at) for at in (0, 1, 2, 3, 9)]


def test_a_copy_that_was_truncated_is_read_to_its_end_first(path: Path) -> None:
    append(path, line(1))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        assert drained(reader)[0] == [line(1)]
        append(path, line(2))
        copy_truncate(path, path.with_name("cel.jsonl.1"))
        assert drained(reader)[0] == [line(2)]
        append(path, line(3))
        assert drained(reader)[0] == [line(3)]


def test_a_truncated_file_that_has_grown_past_the_place_is_noticed(path: Path) -> None:
    append(path, line(1))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        assert drained(reader)[0] == [line(1)]
        append(path, line(2))
        copy_truncate(path, path.with_name("cel.jsonl.1"))
        append(path, line(3), line(4), line(5))
        assert drained(reader)[0] == [line(at) for at in (2, 3, 4, 5)]


def test_a_truncation_without_a_copy_is_told_and_read_on(path: Path) -> None:
    append(path, line(1), line(2))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader, capture_logs() as logs:
        drained(reader)
        path.write_text("")
        assert drained(reader)[0] == []
        append(path, line(3))
        assert drained(reader)[0] == [line(3)]
    assert [entry["event"] for entry in logs] == ["journal_truncated"]


def test_a_copy_restored_whole_is_gone_on_with(path: Path) -> None:
    append(path, line(1), line(2))
    _, place = read(path)
    shutil.copyfile(path, path.with_name("backup"))
    path.unlink()
    path.with_name("backup").rename(path)
    append(path, line(3))
    assert read(path, place)[0] == [line(3)]


def test_a_whole_copy_that_replaces_the_file_in_our_hands_is_gone_on_with(path: Path) -> None:
    append(path, line(1), line(2))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader, capture_logs() as logs:
        drained(reader)
        shutil.copyfile(path, path.with_name("backup"))
        path.with_name("backup").rename(path)
        append(path, line(3))
        assert drained(reader)[0] == [line(3)]
    assert not logs


def test_an_older_copy_is_read_again_from_its_start_and_told_once(path: Path) -> None:
    append(path, line(1), line(2))
    older = path.read_bytes()
    append(path, line(3), line(4))
    _, place = read(path)
    path.unlink()
    path.write_bytes(older)
    with capture_logs() as logs:
        assert read(path, place)[0] == [line(1), line(2)]
        append(path, line(5), line(6), line(7))
        # Where a line begins in both, but not after the same line.
        assert read(path, place)[0] == [line(at) for at in (1, 2, 5, 6, 7)]
    assert [entry["event"] for entry in logs] == ["journal_position_not_in_file"] * 2


def test_an_older_copy_that_replaces_the_file_in_our_hands_is_read_again(path: Path) -> None:
    append(path, line(1))
    older = path.read_bytes()
    append(path, line(2))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        drained(reader)
        path.unlink()
        path.write_bytes(older)
        append(path, line(3))
        assert drained(reader)[0] == [line(1), line(3)]


def test_a_cut_end_is_read_again_from_the_start(path: Path) -> None:
    append(path, line(1), line(2))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        drained(reader)
        with path.open("r+") as file:
            file.truncate(path.stat().st_size - 5)
        append(path, line(3), line(4))
        assert drained(reader)[0] == [line(1), line(2)[:-4] + line(3), line(4)]


def test_a_place_told_by_its_file_alone_is_right_where_a_line_begins(path: Path) -> None:
    append(path, line(1), line(2))
    identity = content.identity(read(path)[1])
    assert read(path, Position(identity, len(line(1)) + 1))[0] == [line(2)]
    with capture_logs() as logs:
        assert read(path, Position(identity, len(line(1))))[0] == [line(1), line(2)]
    assert [entry["event"] for entry in logs] == ["journal_position_not_in_file"]


def test_an_archive_cut_short_is_waited_for(path: Path) -> None:
    append(path, *map(line, range(2000)))
    packed = pack(path.rename(path.with_name("cel.jsonl.1")))
    append(path, line(2000))
    good = packed.read_bytes()
    packed.write_bytes(good[: len(good) // 2])
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader, capture_logs() as logs:
        first, _ = drained(reader)
        assert drained(reader)[0] == []
        assert [entry["event"] for entry in logs] == ["journal_archive_damaged"]
        with pytest.raises(BridgeError):
            list(journal_reader.history(JournalFiles(path), None))
        packed.write_bytes(good)
        assert reader.take() is None  # what it held until now is left
        assert first + drained(reader)[0] == list(map(line, range(2001)))


def test_several_gzip_members_are_one_file(path: Path) -> None:
    members = gzip.compress((line(1) + "\n").encode()) + gzip.compress((line(2) + "\n").encode()) + bytes(7)
    path.with_name("cel.jsonl.1.gz").write_bytes(members)
    append(path, line(3))
    assert read(path)[0] == [line(1), line(2), line(3)]


def test_nuls_spoil_no_line_beside_them(path: Path) -> None:
    with path.open("wb") as file:
        file.write(line(1).encode() + b"\n" + line(2).encode()[:9] + bytes(3000) + line(3).encode() + b"\n\0\n")
    assert read(path)[0] == [line(1), line(2)[:9], "\0" * 3000, line(3), "\0"]
    offsets = [(offset, len(text)) for _, offset, text in journal_reader.history(JournalFiles(path), None)]
    data = path.read_bytes()
    assert [data[offset : offset + size].decode() for offset, size in offsets] == read(path)[0]


def test_a_line_of_megabytes_comes_in_pieces(path: Path) -> None:
    append(path, line(1), "x" * (3 << 20), line(2))
    lines, place = read(path)
    assert "".join(lines) == line(1) + "x" * (3 << 20) + line(2)
    assert max(map(len, lines)) <= content.BLOCK
    append(path, line(3))
    assert read(path, place)[0] == [line(3)]


def test_a_place_within_a_line_of_megabytes_is_gone_on_from(path: Path) -> None:
    append(path, line(1), "x" * (3 << 20), line(2))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        batches = [reader.take() for _ in range(2)]
    assert batches[1] is not None
    with capture_logs() as logs:
        assert read(path, batches[1].position)[0][-1] == line(2)
    assert not logs


def test_other_files_in_the_folder_are_no_archives(path: Path) -> None:
    append(path, line(2))
    (path.parent / "cel.jsonl.d").mkdir()
    append(path.with_name("cel.conf"), line(1))
    append(path.with_name("cel.jsonl.1.xz"), line(1))
    append(path.with_name(".cel-1.jsonl.gz.part"), line(1))
    assert read(path)[0] == [line(2)]


def test_history_begins_with_the_file_that_holds_a_time(path: Path) -> None:
    for ten in range(4):
        append(path, line(10 * ten), line(10 * ten + 5))
        archive = path.rename(path.with_name(f"cel.jsonl.{9 - ten}"))
        if ten < 2:
            pack(archive)
    append(path, line(40))
    append(path, "half", end="")
    files = JournalFiles(path)

    def numbers(since: float | None) -> list[int]:
        return [int(number(text)) for _, _, text in journal_reader.history(files, since)]

    start = 1_795_435_399
    assert numbers(None) == numbers(start - 1.0) == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert numbers(start + 10.0)[0] == 10
    assert numbers(start + 29.0)[0] == 20
    assert numbers(start + 99.0) == [40]


def test_history_tells_where_each_line_stands(path: Path) -> None:
    append(path, line(0), line(1))
    pack(path.rename(path.with_name("cel.jsonl.1")))
    append(path, line(2), line(3))
    told = list(journal_reader.history(JournalFiles(path), None))
    with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
        files = []
        while batch := reader.take():
            files.append(content.identity(batch.position))
    assert [file for file, _, _ in told] == [files[0], files[0], files[1], files[1]]
    for index, (file, offset, _) in enumerate(told):
        assert read(path, Position(file, offset))[0] == [line(at) for at in range(index, 4)]


# --- Whatever is done to the files --------------------------------------------------------------------------------
OPERATIONS = ("write", "read", "commit", "restart", "rename", "shift", "copytruncate", "gzip", "tidy", "replace")


class Journal:
    """Asterisk, an operator, logrotate and the daemon, who take turns at one journal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cel.jsonl"
        self.folder = folder
        self.written = 0
        self.rotated = 0
        self.kept: list[str] = []
        self.read_since: list[str] = []
        self.place: Position | None = None
        self.committed: Position | None = None
        self.reader = self._reader()

    def _reader(self) -> Reader:
        return Reader(JournalFiles(self.path), self.committed, 400)

    def write(self) -> None:
        for _ in range(1 + self.written % 4):
            append(self.path, line(self.written, self.written * 7 % 40))
            self.written += 1

    def read(self) -> None:
        for _ in range(3):
            if batch := self.reader.take():
                self.read_since += [text.decode() for text in batch.lines]
                self.place = batch.position

    def commit(self) -> None:
        self.kept += self.read_since
        self.read_since = []
        self.committed = self.place

    def restart(self) -> None:
        self.reader.close()
        self.reader = self._reader()
        self.read_since = []
        self.place = self.committed

    def rename(self) -> None:
        if self.path.exists():
            self.path.rename(self.folder / f"cel-{99 - self.rotated}.jsonl")
            self.rotated += 1

    def _shift(self) -> Path:
        """Make `.1` free, as logrotate does."""
        for count in range(40, 0, -1):
            for ending in ("", ".gz"):
                old = self.folder / f"cel.jsonl.{count}{ending}"
                if old.exists():
                    old.rename(self.folder / f"cel.jsonl.{count + 1}{ending}")
        return self.folder / "cel.jsonl.1"

    def shift(self) -> None:
        if self.path.exists():
            self.path.rename(self._shift())

    def copytruncate(self) -> None:
        if self.path.exists():
            copy_truncate(self.path, self._shift())

    def gzip(self) -> None:
        for archive in sorted(self.folder.glob("cel*"))[::2]:
            if archive != self.path and archive.suffix != ".gz":
                pack(archive)

    def tidy(self) -> None:
        Archivist(JournalFiles(self.path), 0).round(self.committed)

    def replace(self) -> None:
        """Put a copy of the live file in its place."""
        if self.path.exists():
            shutil.copyfile(self.path, self.folder / "copy")
            (self.folder / "copy").rename(self.path)

    def finish(self) -> Iterator[str]:
        """All lines that were committed in the end."""
        self.write()
        more = True
        while more:
            before = len(self.read_since)
            self.read()
            more = len(self.read_since) > before
        self.commit()
        self.reader.close()
        yield from map(number, self.kept)


@given(
    st.lists(st.binary(max_size=200) | st.sampled_from([b"\n", b"\0" * 700, b"\0\n", b"\xff", b"x" * 1500, b"}\n{"])),
    st.sampled_from(["live", "renamed", "gzipped"]),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_stops_the_tail_or_is_lost(monkeypatch: pytest.MonkeyPatch, chunks: list[bytes], state: str) -> None:
    monkeypatch.setattr(content, "BLOCK", 300)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cel.jsonl"
        data = line(0).encode() + b"\n" + b"".join(chunks)
        path.write_bytes(data)
        if state != "live":
            archive = path.rename(path.with_name("cel.jsonl.1"))
            if state == "gzipped":
                pack(archive)
            append(path, line(1))
        told = [
            (offset, text)
            for _, offset, text in journal_reader.history(JournalFiles(path), None)
            if text != line(1).encode()
        ]
        assert all(data[offset : offset + len(text)] == text for offset, text in told)
        held, ended = b"".join(text for _, text in told), data[: data.rfind(b"\n")] if state == "live" else data
        assert data.replace(b"\n", b"").startswith(held)
        assert held.startswith(ended.replace(b"\n", b""))
        with closing(Reader(JournalFiles(path), None, 1 << 30)) as reader:
            lines = []
            while batch := reader.take():
                lines += batch.lines
        assert [text for text in lines if text != line(1).encode()] == [text for _, text in told]


@given(st.lists(st.sampled_from(OPERATIONS), max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_read_once_whatever_is_done_to_the_files(
    monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    monkeypatch.setattr(content, "BLOCK", 300)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        for operation in done:
            getattr(journal, operation)()
        assert list(journal.finish()) == list(map(str, range(journal.written)))
        told = [number(text) for _, _, text in journal_reader.history(JournalFiles(journal.path), None)]
        assert told == list(map(str, range(journal.written)))


@given(st.lists(st.sampled_from((*OPERATIONS, "back up", "restore")), max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_that_is_left_is_read_at_least_once_over_a_restored_backup(
    monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    monkeypatch.setattr(content, "BLOCK", 300)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        backup: bytes | None = None
        lost: set[str] = set()
        for operation in done:
            if operation == "back up":
                backup = journal.path.read_bytes() if journal.path.exists() else None
            elif operation == "restore":
                if backup and _head(journal.path) == _head_of(backup):
                    gone = journal.path.read_bytes()[len(backup) :]
                    lost |= set(map(number, gone.splitlines()))
                    journal.path.unlink()
                    journal.path.write_bytes(backup)
            else:
                getattr(journal, operation)()
        assert set(journal.finish()) | lost == set(map(str, range(journal.written)))


def _head(path: Path) -> bytes | None:
    return _head_of(path.read_bytes()) if path.exists() else None


def _head_of(data: bytes) -> bytes | None:
    return data.split(b"\n")[0] or None
