"""Sandboxes side by side, as far as Postgres and a real Asterisk."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports, processes, sockets
from bridge.sandbox.stack import Sandbox


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is to be the embedded one, whatever this shell has read."""
    monkeypatch.delenv("BRIDGE_DATABASE_URL", raising=False)


@pytest.fixture
def pair(tmp_path: Path, quiet: None) -> Iterator[list[Sandbox]]:
    """Two sandboxes, not started."""
    both = [Sandbox(tmp_path / name, say=lambda _: None, settings={"BRIDGE_PATIENCE": "7"}) for name in "ab"]
    try:
        yield both
    finally:
        for each in both:
            each.remove()


def test_two_real_nodes_side_by_side_twice(pair: list[Sandbox]) -> None:
    for _ in "12":
        for each in pair:
            each.up(["asterisk"])
        running = [each.process("asterisk") for each in pair]
        assert all(running)
        assert running[0] != running[1]
        for each, process in zip(pair, running, strict=True):
            port = int(each.sip_address.rpartition(":")[2])
            assert process is not None
            assert {("udp", port), ("tcp", port), ("tcp", port + 1), ("tcp", port + 2)} <= sockets.bound(process)
            assert "22." in each.asterisk.cli("core show version")
            # The heart beats in the journal by itself, with no daemon.
            assert processes.wait_until(each.asterisk.journal.exists, 10.0)
            each.down()
        assert not any(process.alive() for process in running if process)


def test_parts_that_were_killed_come_back_at_the_same_place(pair: list[Sandbox]) -> None:
    here = pair[0]
    here.up(["postgres", "asterisk"])
    address, before = here.sip_address, [here.process(part) for part in ("postgres", "asterisk")]
    here.up(["postgres", "asterisk"])
    assert [here.process(part) for part in ("postgres", "asterisk")] == before
    here.kill("postgres")
    here.kill("asterisk")
    assert [state.pid for state in here.status()] == [None, None, None]
    here.up(["postgres", "asterisk"])
    assert here.sip_address == address
    assert all(here.process(part) for part in ("postgres", "asterisk"))
    here.down()
    assert processes.carrying(here.folder / "node", "asterisk") == []
    assert processes.within(here.postgres.home / "data") == []


@pytest.mark.parametrize(("kind", "offset", "word"), [(socket.SOCK_DGRAM, 0, "udp"), (socket.SOCK_STREAM, 2, "tcp")])
def test_a_port_that_asterisk_cannot_bind_is_named(
    pair: list[Sandbox], monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind, offset: int, word: str
) -> None:
    here = pair[0]
    here.up(["postgres"])
    port = int(here.sip_address.rpartition(":")[2]) + offset
    # As if a stranger took it after it was found free.
    monkeypatch.setattr(ports, "_free", lambda port: True)
    with socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind(("127.0.0.1", port))
        with pytest.raises(SandboxError, match=f"could not listen on {word} port {port}"):
            here.up(["asterisk"])
    assert here.process("asterisk") is None


def test_its_own_env_read_into_the_shell_brings_no_other_postgres(
    pair: list[Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = pair[0]
    here.up(["postgres"])
    monkeypatch.setenv("BRIDGE_DATABASE_URL", here.database_url)
    here.down()
    again = Sandbox(here.folder, say=lambda _: None)
    again.up(["postgres"])
    assert again.process("postgres")


def test_the_journal_of_a_far_too_long_folder_is_written_where_it_is_said_to_be(tmp_path: Path, quiet: None) -> None:
    here = Sandbox(tmp_path / ("long" * 30), say=lambda _: None)
    try:
        here.up(["asterisk"])
        journal = Path(here.environment["BRIDGE_JOURNAL"])
        assert len(str(journal)) < 80
        assert processes.wait_until(journal.exists, 10.0)
        assert journal.resolve().is_relative_to(here.folder)
    finally:
        here.remove()


def test_down_without_a_sandbox_is_no_error(tmp_path: Path) -> None:
    Sandbox(tmp_path / "none").down()
    assert not (tmp_path / "none").exists()
