"""While minutes cannot be metered, new callers are refused and talking callers go on. On a small disk of its own."""

import asyncio
import json
import subprocess
import tempfile
import urllib.error
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox import company, rest
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.daemon import DIRECTLY
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import system
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, until


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """A sandbox whose journal has a disk of 48 MiB (mounting it needs root), 16 of them the reserve."""
    system.ensure(system.for_callers(), print)
    with tempfile.TemporaryDirectory(prefix="bridge-small-") as folder:
        made = Sandbox(Path(folder) / "s", print)
        disk = made.folder / "node" / "journal"
        disk.mkdir(parents=True)
        made.folder.chmod(0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
        try:
            made.up()
            yield made
        finally:
            made.down()
            subprocess.run(["umount", str(disk)], check=True)
            made.remove()


@pytest.fixture
async def small_api(small: Sandbox) -> AsyncIterator[Rest]:
    async with rest.client(small.api_url, small.environment["BRIDGE_OPERATOR_KEY"]) as client:
        yield client


@pytest.fixture
async def small_firm(small_api: Rest, request: pytest.FixtureRequest) -> Company:
    return await company.create(small_api, request.node.name)


def parts(sandbox: Sandbox) -> dict[str, Any]:
    """Return what /readyz reports about each part."""
    try:
        with DIRECTLY.open(f"{sandbox.probes_url}/readyz", timeout=2) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


async def meter(sandbox: Sandbox, well: bool, says: str, seconds: float = 5) -> None:
    """Once the meter is (not) well, and says so."""

    async def asked() -> dict[str, Any]:
        return dict((await asyncio.to_thread(parts, sandbox))["meter"])

    await until(asked, lambda told: told["ok"] is well and says in told["detail"], seconds)


def heard_of(sandbox: Sandbox, fault: str) -> list[str]:
    """The events of the daemon's log that are about a fault."""
    lines = [json.loads(line) for line in sandbox.daemon_log.read_text().splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line.get("fault") == fault]


async def turned_away(sandbox: Sandbox, digits: str) -> None:
    """Check that a caller is refused unanswered, so that carriers try another way."""
    who = SipCaller(ACCESS_NUMBER, (Digits(digits, 0.5),), stay=20.0, hangs_up="far end")
    [log] = await calls.place([who], sandbox.sip_address)
    assert (log.status, log.answered_at) == (503, None)


async def admitted(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    """Check that a second member gets into their own room, and that their stay becomes a closed record."""
    member = firm.members[1]
    await calls.place([SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"], 0.3),), stay=1.0)], sandbox.sip_address)
    await until(lambda: api.all("/v1/minutes", account_id=firm.id, room_id=member.room_id, state="closed"), bool)


async def test_a_full_disk_keeps_new_callers_out_and_touches_no_talking_one(
    small: Sandbox, small_api: Rest, small_firm: Company
) -> None:
    digits = small_firm.members[0].digits["host"]
    ballast = small.asterisk.journal.with_name("ballast")
    async with calls.start(SipCaller(ACCESS_NUMBER, (Digits(digits, 0.3),), stay=60.0), small.sip_address) as call:
        await until(lambda: small_api.all("/v1/minutes", account_id=small_firm.id, state="open"), bool)
        with ballast.open("wb") as file:
            file.write(b"\0" * (40 << 20))
        await meter(small, False, "MiB left, under 16 MiB: make room on the disk of BRIDGE_JOURNAL")
        await turned_away(small, digits)
        ballast.unlink()
        await meter(small, True, "")
        await admitted(small, small_api, small_firm)
        log = await call.hang_up()
    records = await closed(small_api, small_firm.id, 2)
    [talked] = [record for record in records if record["room_id"] == small_firm.members[0].room_id]
    assert (talked["left_reason"], talked["evidence"]) == ("hung_up", "measured")
    assert 0 < log.seconds - talked["duration_us"] / 1e6 < 5
    assert heard_of(small, "journal_disk_full") == ["meter_fault", "meter_fault_gone"]


async def test_a_module_that_is_missing_keeps_new_callers_out(
    small: Sandbox, small_api: Rest, small_firm: Company
) -> None:
    small.asterisk.cli("module unload cel_custom.so")
    try:
        await meter(small, False, "cel_custom is not running")
        await turned_away(small, small_firm.members[0].digits["host"])
    finally:
        small.asterisk.cli("module load cel_custom.so")
    await meter(small, True, "")
    await admitted(small, small_api, small_firm)
    assert heard_of(small, "cel_custom_missing") == ["meter_fault", "meter_fault_gone"]


async def test_events_that_are_switched_off_are_noticed_by_the_heart(
    small: Sandbox, small_api: Rest, small_firm: Company
) -> None:
    cel = small.asterisk.etc / "cel.conf"
    asked = cel.read_text()
    cel.write_text(asked.replace("enable = yes", "enable = no"))
    try:
        small.asterisk.cli("module reload cel")
        await meter(small, False, "no heartbeat", seconds=10)
        await turned_away(small, small_firm.members[0].digits["host"])
    finally:
        cel.write_text(asked)
        small.asterisk.cli("module reload cel")
    await meter(small, True, "")
    await admitted(small, small_api, small_firm)
