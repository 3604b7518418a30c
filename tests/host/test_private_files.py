"""Private files: no link that somebody planted is followed, and no half file is left."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from bridge.host import private_files


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("kept")
    return path


def test_a_lock_file_is_private_and_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with private_files.lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write("12")
        assert not os.get_inheritable(file.fileno())
    with private_files.lock_file(path) as file:
        assert file.read() == "12"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_lock_file_is_opened_through_a_planted_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "lock").symlink_to(victim)
    (tmp_path / "nowhere").symlink_to(tmp_path / "made")
    for name in ("lock", "nowhere"):
        with pytest.raises(OSError, match="symbolic links"):
            private_files.lock_file(tmp_path / name)
    assert victim.read_text() == "kept"
    assert not (tmp_path / "made").exists()


def test_a_file_is_created_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(UnicodeEncodeError):
        private_files.create(path, "\udcff")
    assert not path.exists()
    private_files.create(path, "whole")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("whole", 0o600)
    with pytest.raises(FileExistsError):
        private_files.create(path, "again")
    assert path.read_text() == "whole"


def test_a_file_replaces_what_was_planted_in_its_place(tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "new"
    for plant in (path.symlink_to, path.hardlink_to):
        plant(victim)
        with private_files.replacing(path) as file:
            file.write(b"ours")
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("ours", 0o600)
        path.unlink()
    assert victim.read_text() == "kept"
