"""The journal seen from beside it, on real disks."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.asterisk.journal.watch import JournalWatch
from tests.domain.metering.journals import CallLines, alive

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own; mounting it needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=16", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.writelines(line + b"\n" for line in lines)


def test_beats_are_heard_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "cel.jsonl"
    watch = JournalWatch(path)
    assert (watch.look().heartbeat_us, watch.heartbeat_age_s()) == (None, None)
    now = time.time_ns() // 1000
    append(path, alive(now - 60_000_000))
    assert watch.look().heartbeat_us == now - 60_000_000
    heartbeat_age_s = watch.heartbeat_age_s()
    assert heartbeat_age_s is not None
    assert 60 <= heartbeat_age_s < 65
    # From then on a new beat is a new beat, whatever the clock says.
    append(path, alive(now - 50_000_000), *CallLines("n-1.7", now).lines(), b'{"half')
    assert watch.look().heartbeat_us == now - 50_000_000
    heartbeat_age_s = watch.heartbeat_age_s()
    assert heartbeat_age_s is not None
    assert heartbeat_age_s < 5


def test_a_file_that_grows_without_beats_and_a_rotation_keep_the_last_beat(tmp_path: Path) -> None:
    path = tmp_path / "cel.jsonl"
    watch = JournalWatch(path)
    now = time.time_ns() // 1000
    append(path, alive(now))
    watch.look()
    append(path, *CallLines("n-1.7", now).lines())
    assert watch.look().heartbeat_us == now
    path.rename(tmp_path / "cel-1.jsonl")
    seen = watch.look()
    assert (seen.unwritable, seen.heartbeat_us) == (None, now)
    append(path, alive(now + 1))
    assert watch.look().heartbeat_us == now + 1


@pytest.mark.parametrize("noise", [b"\x00" * 700_000, b"x" * 400_000 + b"\n", b'{"ALIVE"}\n' * 1000, b'"ALIVE"'])
def test_noise_neither_hides_a_beat_nor_makes_one(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "cel.jsonl"
    path.write_bytes(noise)
    watch = JournalWatch(path)
    assert watch.look().heartbeat_us is None
    append(path, b"", alive(7_000_000))
    assert watch.look().heartbeat_us == 7_000_000


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    seen = JournalWatch(tmp_path / "gone" / "cel.jsonl").look()
    assert seen.unwritable == f"there is no folder {tmp_path}/gone"
    assert seen.room is None


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_file_cannot_be_appended_to(tmp_path: Path, what: str) -> None:
    path = tmp_path / "cel.jsonl"
    if what == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    reason = JournalWatch(path).look().unwritable
    assert reason is not None
    assert str(path) in reason


def test_a_disk_tells_its_room_and_is_never_written_to(small_disk: Path) -> None:
    path = small_disk / "cel.jsonl"
    append(path, alive(1_000_000))
    watch = JournalWatch(path)
    before, written = watch.look(), path.stat()
    assert before.room is not None
    assert (before.room.total_bytes, before.unwritable) == (4 * MIB, None)
    (small_disk / "ballast").write_bytes(b"\0" * 3 * MIB)
    after = watch.look()
    assert after.room is not None
    assert after.room.free_bytes == before.room.free_bytes - 3 * MIB
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (written.st_size, written.st_mtime_ns)
    for number in range(after.room.files or 0):
        (small_disk / f"file-{number}").touch()
    full = watch.look()
    assert full.room is not None
    assert full.room.files == 0


def test_a_disk_that_became_read_only_is_told(small_disk: Path) -> None:
    path = small_disk / "cel.jsonl"
    append(path, alive(1_000_000))
    watch = JournalWatch(path)
    assert watch.look().unwritable is None
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert watch.look().unwritable == f"the disk of {small_disk} is read-only"
