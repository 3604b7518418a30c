"""The contract of the Caller port: the dialogue's fake caller behaves like a channel of ARI."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bridge.asterisk.ari.calls import Calls, StasisCall
from bridge.asterisk.ari.client import ari_connection
from bridge.domain.admission.prompt import Prompt
from bridge.usecases.admission.ports import Caller, CallerGone
from tests.asterisk.ari import fake_ari
from tests.usecases.admission.fake_caller import GONE, SILENCE, FakeCaller


@dataclass(frozen=True)
class Line:
    """A caller, and what the person at the other end can do."""

    caller: Caller
    press: Callable[[str], Awaitable[None]]
    keep_silent: Callable[[], Awaitable[None]]
    hang_up: Callable[[], Awaitable[None]]


async def _fake_line() -> AsyncIterator[Line]:
    caller = FakeCaller(deque(), id="c1", caller="4930123456", number="18005550100", trunk="192.0.2.7")

    async def script(key: str | None) -> None:
        caller.script.append(key)

    yield Line(caller, script, lambda: script(SILENCE), lambda: script(GONE))


async def _real_line() -> AsyncIterator[Line]:
    offered: asyncio.Queue[StasisCall] = asyncio.Queue()
    over = asyncio.Event()

    async def hold(call: StasisCall) -> bool:
        await offered.put(call)
        await over.wait()
        return True

    async def nothing() -> None: ...

    async with fake_ari.running() as (wire, login), ari_connection(login) as session:
        ready = asyncio.Event()
        serving = asyncio.create_task(Calls(hold).serve(session, ready.set))
        await ready.wait()
        described = fake_ari.channel("c1")
        described["channelvars"]["BRIDGE_TRUNK"] = "192.0.2.7:5060"
        await wire.event("StasisStart", channel=described)

        async def press(key: str) -> None:
            await wire.key("c1", key)

        async def hang_up() -> None:
            await wire.event("StasisEnd", channel=described)

        yield Line(await offered.get(), press, nothing, hang_up)
        over.set()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture(params=[_fake_line, _real_line], ids=["fake", "real"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with asyncio.timeout(10), asynccontextmanager(request.param)() as line:
        yield line


def test_a_call_says_who_calls_which_number_and_over_which_trunk(line: Line) -> None:
    caller = line.caller
    assert (caller.id, caller.caller, caller.number, caller.trunk) == ("c1", "4930123456", "18005550100", "192.0.2.7")
    assert (caller.tries, caller.greeted) == (0, False)


async def test_a_call_can_be_given_its_numbers_before_it_is_answered(line: Line) -> None:
    assert (line.caller.answered, line.caller.trunk_id, line.caller.trunk_calls) == (False, "", 0)
    await line.caller.identify("+4930123456", "18005550100")
    await line.caller.answer()
    await line.press("7")
    assert await line.caller.key(5.0) == "7"


async def test_keys_come_in_their_order_those_pressed_before_they_are_asked_for_too(line: Line) -> None:
    for key in "12#":
        await line.press(key)
    assert [await line.caller.key(5.0) for _ in range(3)] == ["1", "2", "#"]


async def test_silence_is_no_key(line: Line) -> None:
    await line.keep_silent()
    assert await line.caller.key(0.05) is None


async def test_a_key_can_be_pressed_into_a_prompt(line: Line) -> None:
    await line.caller.answer()
    await line.caller.say(Prompt.GREETING, Prompt.PASSCODE)
    await line.press("7")
    assert await line.caller.key(5.0) == "7"


async def test_a_hang_up_comes_after_the_keys_before_it(line: Line) -> None:
    await line.press("7")
    await line.hang_up()
    assert await line.caller.key(5.0) == "7"
    with pytest.raises(CallerGone):
        await line.caller.key(5.0)


async def test_a_try_that_is_counted_and_a_language_interrupt_nothing(line: Line) -> None:
    await line.caller.speak("fr", "bienvenue")
    await line.caller.count_try(1)
    await line.press("7")
    assert await line.caller.key(5.0) == "7"
