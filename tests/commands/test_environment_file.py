"""`bridge key init`: fresh secrets that the settings take, in a file that is never overwritten."""

import os
import stat
from pathlib import Path

import pytest

from bridge import settings
from bridge.settings import DaemonSettings
from tests.commands.conftest import Shell

NAMES = {"BRIDGE_OPERATOR_KEY", "BRIDGE_PASSCODE_KEY", "BRIDGE_ARI_PASSWORD", "BRIDGE_AMI_PASSWORD"}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def read(lines: str) -> dict[str, str]:
    return dict(line.split("=") for line in lines.splitlines() if not line.startswith("#"))


async def test_it_prints_secrets_that_the_daemon_takes_and_never_the_same(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = read(await shell("key", "init")), read(await shell("key", "init"))
    assert first.keys() == NAMES
    assert not set(first.values()) & set(second.values())
    for name, value in {**first, "BRIDGE_DATABASE_URL": "postgresql://x"}.items():
        monkeypatch.setenv(name, value)
    assert settings.load(DaemonSettings).operator_key.get_secret_value() == first["BRIDGE_OPERATOR_KEY"]
    assert (await shell.json("key", "init")).keys() == NAMES


async def test_it_writes_a_file_that_only_its_owner_may_read(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "bridge.env"
    before = os.umask(0)
    try:
        said = await shell("key", "init", "--file", str(path))
    finally:
        os.umask(before)
    written = read(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert written.keys() == NAMES
    assert str(path) in said
    assert not any(value in said for value in written.values())


@pytest.mark.parametrize("planted", ["file", "link to a file", "link to nowhere"])
async def test_it_never_overwrites_nor_follows_a_link(shell: Shell, tmp_path: Path, planted: str) -> None:
    path, victim = tmp_path / "bridge.env", tmp_path / "victim"
    if planted == "file":
        path.write_text("kept")
    else:
        path.symlink_to(victim)
    if planted == "link to a file":
        victim.write_text("kept")
    assert "is not overwritten" in await shell.refused("key", "init", "--file", str(path))
    assert planted == "link to nowhere" or path.read_text() == "kept"
    assert victim.exists() == (planted == "link to a file")


async def test_a_folder_that_is_not_there_is_named(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "none" / "bridge.env"
    assert f"{path} cannot be written (No such file or directory)" in await shell.refused(
        "key", "init", "--file", str(path)
    )
