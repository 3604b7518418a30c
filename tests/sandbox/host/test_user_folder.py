"""The folder that sandboxes of one user share: private, never in /tmp, and refused if it is another user's."""

import os
import re
import stat
from pathlib import Path

import pytest

from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports, user_folder

ROOT = Path(__file__).parents[3]
PREDICTABLE = re.compile(r"gettempdir|[\"']/(var/)?tmp/|mktemp\(")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bridge"


def test_only_its_user_may_write_to_it(own: Path) -> None:
    assert user_folder.made() == user_folder.path() == own
    assert stat.S_IMODE(own.stat().st_mode) & 0o022 == 0
    # One that an earlier version made may be open to others.
    own.chmod(0o777)
    assert user_folder.made() == own
    assert stat.S_IMODE(own.stat().st_mode) == 0o755


def test_a_folder_of_another_user_is_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_folder.made()
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    with pytest.raises(SandboxError, match=f"belongs to user {ours}, and you are {ours + 1}"):
        user_folder.made()


def test_a_folder_that_cannot_be_made_is_named(own: Path) -> None:
    own.parent.write_text("a file")
    with pytest.raises(SandboxError, match=f"The folder {own} could not be made: Not a directory"):
        user_folder.made()


def test_locks_of_ports_lie_there_and_a_planted_link_is_not_followed(own: Path, tmp_path: Path) -> None:
    with ports.claim(2):
        assert stat.S_IMODE((own / ports.LOCKS).stat().st_mode) == 0o600
    (own / ports.LOCKS).unlink()
    (own / ports.LOCKS).symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic links"), ports.claim(2):
        pass
    assert not (tmp_path / "made").exists()


def test_no_code_names_a_file_in_a_folder_that_everybody_may_write_to() -> None:
    """Random names, as `tempfile.mkdtemp` makes them, are safe there; names that can be known are not."""
    found = [path for path in ROOT.joinpath("bridge").rglob("*.py") if PREDICTABLE.search(path.read_text())]
    assert found == []
