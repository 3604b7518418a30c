"""The clock of a node is stepped while people talk: the real Asterisk and the real daemon, under libfaketime."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.sandbox import company, rest
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import system
from bridge.sandbox.host.system import Package
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, until

Step = Callable[[int], None]


@pytest.fixture(scope="module")
def stepped() -> Iterator[tuple[Sandbox, Step]]:
    """A node whose clock can be set so many seconds from the real one, and what sets it."""
    system.ensure(system.for_callers(), print)
    system.ensure([Package("faketime", "it steps a process's clock", shutil.which("faketime") is not None)], print)
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    with tempfile.TemporaryDirectory(prefix="bridge-clock-") as folder, pytest.MonkeyPatch.context() as patch:
        clock = Path(folder) / "clock"

        def step(seconds: int) -> None:
            new = clock.with_suffix(".new")
            new.write_text(f"{seconds:+d}")
            new.replace(clock)

        step(0)
        made = Sandbox(Path(folder) / "s", print)
        try:
            made.up(["postgres"])
            patch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
            patch.setenv("FAKETIME_NO_CACHE", "1")
            patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            patch.setenv("LD_PRELOAD", str(library))
            made.up()
            patch.undo()
            yield made, step
        finally:
            patch.undo()
            made.remove()


# What a step back hides is at most the time that the heart stands still, until the daemon starts it again.
@pytest.mark.parametrize(("seconds", "hidden"), [(100, 0.1), (-50, 4.0)])
async def test_a_step_of_the_clock_makes_no_stay_longer(
    stepped: tuple[Sandbox, Step], seconds: int, hidden: float
) -> None:
    sandbox, step = stepped
    step(0)
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as api:
        # New callers are refused while the clock is wrong.
        await until(lambda: asyncio.to_thread(sandbox.ready), bool, 20.0)
        firm = await company.create(api, f"Clock {seconds}")
        who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=60.0)
        async with calls.start(who, sandbox.sip_address) as call:
            await call.keyed()
            keyed = time.monotonic()
            await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
            seen = time.monotonic()
            await asyncio.sleep(3.0)
            step(seconds)
            await asyncio.sleep(6.0)
            await call.hang_up()
            left = time.monotonic()
        step(0)
        [record] = await closed(api, firm.id, 1, seconds=30.0)
        billed = record["duration_us"] / 1e6
        assert record["evidence"] == "estimated"
        # The stay began between the last digit, which takes a moment, and the instant at which its record was seen.
        assert left - seen - hidden < billed < left - keyed + 0.5
