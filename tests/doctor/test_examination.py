"""`bridge doctor` while parts are away, silent or replaced by other programs: it reports that, and ends in time."""

import asyncio
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.doctor import examination
from bridge.doctor.examination import Check, CheckState, Result, examine, well
from bridge.sandbox.host import ports
from tests.asterisk.journal.journal_lines import append, line

SECRETS = {
    "BRIDGE_PASSCODE_KEY": "5eed" * 16,
    "BRIDGE_OPERATOR_KEY": "operator-key-that-nobody-sees-6vDqk3pYVb0Xc9m",
    "BRIDGE_ARI_PASSWORD": "ari-password-unseen",
    "BRIDGE_AMI_PASSWORD": "ami-password-unseen",
}


def environment(folder: Path, port: int) -> dict[str, str]:
    """Settings of a node all of whose parts are at one port."""
    here = f"127.0.0.1:{port}"
    return {
        **SECRETS,
        "BRIDGE_DATABASE_URL": f"postgresql://someone:database-password-unseen@{here}/bridge",
        "BRIDGE_ARI_URL": f"http://{here}",
        "BRIDGE_AMI_ADDRESS": here,
        "BRIDGE_API_ADDRESS": here,
        "BRIDGE_PROBES_ADDRESS": here,
        "BRIDGE_SIP_TRUNKS": "192.0.2.1",
        "BRIDGE_SIP_BIND": here,
        "BRIDGE_JOURNAL": str(folder / "journal" / "cel.jsonl"),
        "BRIDGE_STATE_DIR": str(folder / "state"),
        "BRIDGE_ASTERISK_HOME": str(folder / "asterisk"),
    }


def doctor(settings: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    ran = subprocess.run(
        [sys.executable, "-m", "bridge", "doctor", *words],
        env={**others, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    for secret in (*SECRETS.values(), "database-password-unseen"):
        assert secret not in ran.stdout
    return ran


def found(settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Results by state; the exit status is that of a node that is not well."""
    ran = doctor(settings, "--json")
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["ok"]) == (1, False)
    return {state.value: [one for one in told["results"] if one["state"] == state.value] for state in CheckState}


def names(results: list[dict[str, Any]]) -> set[str]:
    return {result["check"] for result in results}


class Stranger(socketserver.ThreadingTCPServer):
    """Lets everybody in, and gives an answer at the first byte, or none at all."""

    daemon_threads = True

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answering(socketserver.BaseRequestHandler):
    server: Stranger

    def handle(self) -> None:
        self.request.recv(1)
        if self.server.answer is None:
            self.server.over.wait()
        else:
            self.request.sendall(self.server.answer)


@contextmanager
def stranger(answer: bytes | None) -> Iterator[int]:
    with Stranger(answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.port
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def test_with_no_settings_at_all_it_names_them() -> None:
    ran = doctor({})
    assert ran.returncode == 1
    for name in (*SECRETS, "BRIDGE_DATABASE_URL"):
        assert f"FAILED   {name} is not set. It is: " in ran.stdout
    assert "postgres     warning  not checked, because its settings are missing or malformed\n" in ran.stdout


def test_while_postgres_is_away_or_silent_the_backlog_is_told_for_all_that(near: Path) -> None:
    archive = near / "archive"
    archive.mkdir()
    (near / "journal").mkdir()
    append(archive / "cel-20261123T000000Z.jsonl", line(1), line(2))
    append(near / "journal" / "cel.jsonl", line(3))
    with ports.claim(1) as port, stranger(None) as silent:
        for chosen in (port.first, silent):
            results = found({**environment(near, chosen), "BRIDGE_JOURNAL_ARCHIVE": str(archive)})
            told = {result["check"]: result["what"] for result in results["warning"]}
            size = len(line(1) + line(2) + line(3)) + 3
            assert told["backlog"] == f"at most {size} bytes of the journal are not committed"
            assert "postgres" in names(results["failed"])


def test_a_malformed_setting_is_named_and_what_it_does_not_touch_is_looked_at(near: Path) -> None:
    with ports.claim(1) as port:
        settings = {**environment(near, port.first), "BRIDGE_OPERATOR_KEY": "short"}
        results = found(settings)
    [complaint] = [result for result in results["failed"] if result["check"] == "settings"]
    assert complaint["what"].startswith("BRIDGE_OPERATOR_KEY is malformed (it is weak: it has 5 characters")
    assert "bridge key init" in complaint["what"]
    assert {"postgres", "ari", "ami", "journal", "sip"} <= names(results["failed"])
    assert {"state", "daemon"} <= names(results["warning"])


def test_where_nobody_is_each_part_is_named(near: Path) -> None:
    with ports.claim(1) as port:
        results = found(environment(near, port.first))
    assert {"postgres", "ari", "ami", "journal", "sip", "state", "daemon"} <= names(results["failed"])
    told = {result["check"]: result["what"] for result in results["failed"]}
    assert told["journal"] == f"the journal cannot be written: there is no folder {near}/journal"
    assert f"127.0.0.1:{port.first}" in told["postgres"]
    assert all(result["mend"] for result in results["failed"])


def test_parts_that_never_answer_do_not_keep_it_from_its_end(near: Path) -> None:
    with stranger(None) as port:
        began = time.monotonic()
        results = found(environment(near, port))
        assert time.monotonic() - began < 20  # on a machine that is busy with other tests; 10 on an idle one
    assert {"postgres", "ari", "ami", "daemon"} <= names(results["failed"])


def http(status: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("ari", "api"),
    [
        (http("200 OK", b"hello"), http("200 OK", b'{"status": "alive"}')),
        (http("404 Not Found"), http("404 Not Found")),
        (http("200 OK", b'{"system": []}'), b"\xff\x00 220 mail.example ESMTP\r\n"),
    ],
)
def test_strangers_at_our_ports_are_told(near: Path, ari: bytes, api: bytes) -> None:
    with ports.claim(1) as port, stranger(ari) as at_ari, stranger(api) as at_probes, stranger(b"hello\r\n") as at_ours:
        settings = {
            **environment(near, port.first),
            "BRIDGE_ARI_URL": f"http://127.0.0.1:{at_ari}",
            "BRIDGE_PROBES_ADDRESS": f"127.0.0.1:{at_probes}",
            "BRIDGE_DATABASE_URL": f"postgresql://someone:database-password-unseen@127.0.0.1:{at_ours}/bridge",
        }
        results = found(settings)
    told = {result["check"]: result["what"] for result in results["failed"]}
    assert told["ari"].startswith(f"what listens at http://127.0.0.1:{at_ari} is not Asterisk's ARI")
    assert f"127.0.0.1:{at_probes}" in told["daemon"]
    assert f"127.0.0.1:{at_ours}" in told["postgres"]


def test_folders_that_others_may_read_are_told(near: Path) -> None:
    (near / "state").mkdir()
    (near / "state").chmod(0o755)
    with ports.claim(1) as port:
        told = {result["check"]: result["mend"] for result in found(environment(near, port.first))["failed"]}
    assert told["secrets"] == f"chmod go-rwx {near}/state"


# --- Isolation ----------------------------------------------------------------------------------------------------
async def healthy() -> AsyncIterator[Result]:
    yield well("healthy", "as ever")


async def hanging() -> AsyncIterator[Result]:
    yield well("hanging", "so far")
    await asyncio.to_thread(threading.Event().wait)


async def broken() -> AsyncIterator[Result]:
    yield well("broken", "so far")
    raise ValueError("s3cr3t")


def test_a_check_that_hangs_or_breaks_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "CHECK_S", 0.2)
    began = time.monotonic()
    checks = [Check("hanging", hanging, "wait"), Check("broken", broken, "tell us"), Check("healthy", healthy, "")]
    results = examine(checks)
    assert time.monotonic() - began < 5
    assert results == [
        well("hanging", "so far"),
        Result("hanging", CheckState.FAILED, "no answer within 0.2 s", "wait"),
        well("broken", "so far"),
        Result("broken", CheckState.FAILED, "could not be checked (ValueError)", "tell us"),
        well("healthy", "as ever"),
    ]
