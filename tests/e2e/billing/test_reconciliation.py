"""Lasting differences between the journal and the rooms, and a heartbeat that stops."""

import asyncio
import re
from collections.abc import Iterator

import pytest

from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, journal, until


@pytest.fixture
def journal_back(sandbox: Sandbox) -> Iterator[None]:
    try:
        yield
    finally:
        sandbox.asterisk.cli("module load cel_custom.so")


async def test_a_stay_whose_end_was_never_written_is_ended_where_the_caller_was_last_seen(
    sandbox: Sandbox, api: Rest, firm: Company, journal_back: None
) -> None:
    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=60.0)
    async with calls.start(who, sandbox.sip_address) as call:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        # Long enough to be seen in the room at least once.
        await asyncio.sleep(6.0)
        sandbox.asterisk.cli("module unload cel_custom.so")
        log = await call.hang_up()
    sandbox.asterisk.cli("module load cel_custom.so")
    assert log.ended_at is not None
    [record] = await closed(api, firm.id, 1, seconds=40.0)
    assert (record["left_reason"], record["evidence"]) == ("dropped", "estimated")
    stayed = record["duration_us"] / 1e6
    assert log.seconds - 6.5 < stayed <= log.seconds
    assert stayed + record["error_bound_us"] / 1e6 >= log.seconds - 1.5


async def test_a_heart_that_stands_still_is_started_again_in_the_same_boot(sandbox: Sandbox) -> None:
    async def beats() -> list[list[str]]:
        alive = [line for line in journal(sandbox) if line["eventtype"] == "ALIVE"]
        return [line["appdata"].removeprefix("ALIVE,").split(":") for line in alive]

    async def clocks() -> set[str]:
        return {beat[3] for beat in await beats()}

    await until(clocks, lambda found: len(found) > 2)
    before = (await beats())[-1]
    [heart] = set(re.findall(r"Local/boot@heart-[0-9a-f]+;1", sandbox.asterisk.cli("core show channels concise")))
    sandbox.asterisk.cli(f"channel request hangup {heart}")
    found = await until(beats, lambda beats: int(beats[-1][0]) > int(before[0]) + 4)
    assert found[-1][1:3] == before[1:3]
    # From here on: while an earlier test had unloaded the journal's writer, a heartbeat may have been lost.
    counts = [int(beat[0]) for beat in found if beat[1:3] == before[1:3] and int(beat[0]) >= int(before[0])]
    assert counts == list(range(counts[0], counts[0] + len(counts)))
