"""Asterisk's logs are rotated as they grow, and the oldest files are deleted."""

from pathlib import Path
from typing import Any

import pytest

from bridge import telemetry
from bridge.asterisk.ari import log_rotation


class Logger:
    """An Asterisk that rotates as `rotatestrategy = rotate` says: the newest file gets the number 0."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self.rotated: list[str] = []

    async def request(self, method: str, uri: str) -> Any:
        if method == "GET":
            assert uri == "asterisk/logging"
            console = {"channel": "", "type": "Console", "status": "Enabled", "configuration": "VERBOSE"}
            return [console, *({**console, "channel": str(path), "type": "File"} for path in self._paths)]
        name = uri.removeprefix("asterisk/logging/").removesuffix("/rotate")
        [path] = [path for path in self._paths if path.name == name]
        self.rotated.append(name)
        numbers = sorted((int(old.suffix[1:]) for old in path.parent.glob(f"{name}.*")), reverse=True)
        for number in numbers:
            path.with_name(f"{name}.{number}").rename(path.with_name(f"{name}.{number + 1}"))
        path.rename(path.with_name(f"{name}.0"))
        path.touch()
        return None


async def test_a_log_that_has_grown_is_rotated_and_the_oldest_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rotation, "LARGEST", 100)
    large, small = tmp_path / "messages", tmp_path / "debug"
    small.write_text("x" * 99)
    asterisk: Any = Logger(large, small)
    for text in "abcdefg":
        large.write_text(text * 100)
        await log_rotation.rotate(asterisk)
    assert asterisk.rotated == ["messages"] * 7
    kept = {path.name: path.read_text()[:1] for path in tmp_path.glob("messages.*")}
    assert kept == {"messages.0": "g", "messages.1": "f", "messages.2": "e", "messages.3": "d"}
    assert telemetry.REGISTRY.get_sample_value("bridge_asterisk_log_bytes") == 4 * 100 + 99


async def test_other_files_and_logs_that_are_gone_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "messages.gz"
    other.write_text("mine")
    asterisk: Any = Logger(tmp_path / "messages")
    await log_rotation.rotate(asterisk)
    assert other.read_text() == "mine"
    assert asterisk.rotated == []
