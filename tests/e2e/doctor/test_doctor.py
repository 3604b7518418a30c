"""`bridge doctor` on the whole product, with all parts well and with some of them failing."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.sandbox.stack import Sandbox


@pytest.fixture
def all_back(sandbox: Sandbox) -> Iterator[None]:
    """Start all parts again after a test that stops some."""
    try:
        yield
    finally:
        sandbox.up()


async def doctor(sandbox: Sandbox, **changes: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and the results by state and check."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bridge", "doctor", "--json"],
        env={**os.environ, **sandbox.environment, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    results = json.loads(ran.stdout)["results"]
    return ran.returncode, {
        state: {result["check"]: result["what"] for result in results if result["state"] == state}
        for state in ("ok", "warning", "failed")
    }


async def test_a_healthy_node_is_told_to_be_well(sandbox: Sandbox) -> None:
    status, found = await doctor(sandbox)
    assert (status, found["failed"]) == (0, {})
    assert {"settings", "postgres", "schema", "clock", "ari", "node", "modules", "application", "ami"} <= set(
        found["ok"]
    )
    assert {"rendered", "journal", "journal disk", "sip", "rtp", "state", "secrets", "daemon"} <= set(found["ok"])
    assert "passcode key" in found["ok"]


async def test_a_wrong_passcode_key_is_told_before_the_daemon_is_started_with_it(sandbox: Sandbox) -> None:
    status, found = await doctor(sandbox, BRIDGE_PASSCODE_KEY="ab" * 32)
    assert (status, set(found["failed"])) == (1, {"passcode key"})


async def test_a_wrong_password_is_told_and_where_it_is_compared_with(sandbox: Sandbox) -> None:
    status, found = await doctor(sandbox, BRIDGE_AMI_PASSWORD="wrongwrong")
    assert (status, set(found["failed"])) == (1, {"ami", "rendered"})
    assert "BRIDGE_AMI_PASSWORD" in found["failed"]["ami"]
    assert found["failed"]["rendered"].endswith("manager.conf")


async def test_parts_that_are_down_are_named_and_the_others_are_well(sandbox: Sandbox, all_back: None) -> None:
    sandbox.kill("postgres")
    status, found = await doctor(sandbox)
    assert (status, set(found["failed"]) - {"daemon"}) == (1, {"postgres"})
    assert {"ari", "ami", "journal"} <= set(found["ok"])
    assert "bytes of the journal are not committed" in found["warning"]["backlog"]
    await asyncio.to_thread(sandbox.up, ["postgres"])
    sandbox.kill("asterisk")
    status, found = await doctor(sandbox)
    assert (status, set(found["failed"])) == (1, {"ari", "ami", "journal", "sip", "daemon"})
    assert {"postgres", "schema", "state"} <= set(found["ok"])
