import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.asterisk.journal import sync
from bridge.asterisk.journal.sync import Syncer
from tests.asterisk.journal.journal_lines import append, line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cel.jsonl"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(inode, size) of each file that was written through, in order."""
    done: list[tuple[int, int]] = []
    fdatasync = os.fdatasync

    def noting(descriptor: int) -> None:
        fdatasync(descriptor)
        status = os.fstat(descriptor)
        done.append((status.st_ino, status.st_size))

    monkeypatch.setattr(os, "fdatasync", noting)
    return done


@pytest.fixture
def syncer(path: Path) -> Iterator[Syncer]:
    with Syncer(path) as syncer:
        yield syncer


def state(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_size


def test_what_has_grown_is_synced_and_nothing_else(path: Path, syncer: Syncer, synced: list[tuple[int, int]]) -> None:
    syncer.round()
    assert synced == []
    append(path, line(1))
    syncer.round()
    syncer.round()
    assert synced == [state(path)]
    append(path, line(2))
    syncer.round()
    assert synced[1:] == [state(path)]


def test_a_file_that_was_rotated_between_two_rounds_is_synced_too(
    path: Path, syncer: Syncer, synced: list[tuple[int, int]]
) -> None:
    append(path, line(1))
    syncer.round()
    append(path, line(2))
    archive = path.rename(path.with_name("cel.jsonl.1"))
    append(path, line(3))
    syncer.round()
    assert sorted(synced[1:]) == sorted([state(archive), state(path)])
    append(archive, line(4))
    syncer.round()
    assert synced[3:] == [state(archive)]


def test_a_rotated_file_is_let_go_in_the_end(path: Path, syncer: Syncer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "ROTATED_S", -1.0)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        append(path, line(number))
        syncer.round()
        path.rename(path.with_name(f"cel.jsonl.{number}"))
        syncer.round()
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_a_file_that_was_truncated_and_grew_as_long_is_synced(
    path: Path, syncer: Syncer, synced: list[tuple[int, int]]
) -> None:
    append(path, line(1))
    syncer.round()
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:  # the kernel's clock of files is coarse
        path.write_text(line(2) + "\n")
    syncer.round()
    assert synced == [state(path)] * 2
