"""The lock of the one daemon on a node: it names the daemon that holds it, and follows no link."""

import os
from pathlib import Path

import pytest

from bridge.daemon import app
from bridge.domain.errors import BridgeError


def test_the_second_daemon_is_told_which_is_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "daemon.lock"
    lock.write_text("1234567 and more")
    with app._only_daemon(tmp_path):
        assert lock.read_text() == str(os.getpid())
        with pytest.raises(BridgeError, match=f"with pid {os.getpid()} "), app._only_daemon(tmp_path):
            pass
    with app._only_daemon(tmp_path):
        pass


def test_a_planted_link_is_refused_and_its_target_kept(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "daemon.lock").symlink_to(victim)
    with pytest.raises(BridgeError, match="daemon.lock cannot be opened .* no link"), app._only_daemon(tmp_path):
        pass
    assert victim.read_text() == "kept"
