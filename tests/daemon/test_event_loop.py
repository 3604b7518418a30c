"""The lag of the event loop: the longest of the last minute is shown, and one that callers notice is logged."""

import asyncio
import contextlib
import time

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge import telemetry
from bridge.daemon import event_loop
from bridge.daemon.event_loop import KEPT_S, SLOW_S, LongestLag


@given(steps=st.lists(st.tuples(st.floats(0, 2 * KEPT_S), st.floats(0, 9)), min_size=1))
def test_the_longest_of_the_last_minute_is_kept(steps: list[tuple[float, float]]) -> None:
    longest, now, added = LongestLag(), 0.0, []
    for step, lag_s in steps:
        now += step
        added.append((now, lag_s))
        assert longest.add(now, lag_s) == max(lag for at, lag in added if at > now - KEPT_S)


async def test_a_loop_that_is_kept_busy_shows_it() -> None:
    with capture_logs() as logs:
        task = asyncio.ensure_future(event_loop.watch())
        await asyncio.sleep(0)
        time.sleep(event_loop.LOOK_S + SLOW_S)  # noqa: ASYNC251  # the fault that it has to notice
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert logs[0]["event"] == "event_loop_slow"
    assert logs[0]["seconds"] >= SLOW_S
    assert telemetry.EVENT_LOOP_LAG_SECONDS._value.get() >= SLOW_S
