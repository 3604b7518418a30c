"""Callers who guess passcodes by phone have to wait, across calls and restarts; others are not affected."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, until

_numbers = itertools.count(100)


def wrong() -> Digits:
    """A wrong code that nobody has keyed before, as long as those that are generated."""
    return Digits(f"999999{next(_numbers)}#", 0.3)


@pytest.fixture
def daemon_back(sandbox: Sandbox) -> Iterator[None]:
    try:
        yield
    finally:
        sandbox.up()


async def guess(sandbox: Sandbox, number: str, calls_at_once: int = 20) -> None:
    """Wrong codes by many calls at once, one each: twice as many as a number may have wrong."""
    guessers = [SipCaller(ACCESS_NUMBER, (wrong(),), caller=number, stay=2.5) for _ in range(calls_at_once)]
    await calls.place(guessers, sandbox.sip_address)


async def gets_in(sandbox: Sandbox, api: Rest, firm: Company, number: str) -> bool:
    """Return True if the right passcode gets this caller in."""
    before = len(await api.all("/v1/minutes", account_id=firm.id))
    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["guest"], 0.3),), caller=number, stay=8.0)
    [log] = await calls.place([who], sandbox.sip_address)
    if log.ended_by == "far end":
        assert len(await api.all("/v1/minutes", account_id=firm.id)) == before
        return False
    await closed(api, firm.id, before + 1)
    return True


async def reasons(api: Rest, number: str, count: int) -> Counter[str]:
    found = await until(lambda: api.all("/v1/admission-attempts", caller=number), lambda items: len(items) >= count)
    assert all(set(item["access_number"]) <= set("0123456789") for item in found)
    return Counter(item["reason"] for item in found)


async def waits(sandbox: Sandbox, api: Rest, firm: Company, number: str) -> None:
    """Key the right passcode, be told to wait, and hang up."""
    before = len(await api.all("/v1/admission-attempts", caller=number))
    keyed = (Digits(f"{firm.members[0].digits['guest']}#", 0.3),)
    [log] = await calls.place([SipCaller(ACCESS_NUMBER, keyed, caller=number, stay=3.0)], sandbox.sip_address)
    assert log.ended_by == "caller"
    *_, last = await until(lambda: api.all("/v1/admission-attempts", caller=number), lambda items: len(items) > before)
    assert (last["reason"], last["waited_for"]) == ("not_judged", "caller")


async def test_the_entries_of_a_guesser_wait_across_calls_and_restarts_until_an_operator_lifts_it(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    number = "4930777001"
    await guess(sandbox, number)
    assert (await reasons(api, number, 20))["wrong"] >= 10
    await waits(sandbox, api, firm, number)
    assert await gets_in(sandbox, api, firm, "4930777002")
    sandbox.kill("daemon")
    await asyncio.to_thread(sandbox.up)
    await waits(sandbox, api, firm, number)
    [block] = [one for one in await api.all("/v1/blocks") if one["value"] == f"+{number}"]
    assert (block["kind"], block["left"] < 0.1) == ("caller", True)
    await api.post("/v1/blocks/callers/lift", {"caller": number})
    assert await gets_in(sandbox, api, firm, number)


async def test_wrong_digits_that_colleagues_key_again_cost_nothing(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    number, misprinted = "4930777003", wrong()
    for _ in range(2):
        colleagues = [SipCaller(ACCESS_NUMBER, (misprinted,), caller=number, stay=2.5)] * 8
        await calls.place(colleagues, sandbox.sip_address)
    assert await reasons(api, number, 16) == {"wrong": 16}
    assert await gets_in(sandbox, api, firm, number)


async def test_withheld_numbers_share_a_larger_bucket(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    await guess(sandbox, "anonymous")
    assert await gets_in(sandbox, api, firm, "anonymous")


async def test_a_revoked_code_sounds_like_a_wrong_one(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    number = "4930777004"
    made = await api.post(f"/v1/rooms/{firm.members[0].room_id}/passcodes", {"role": "guest"})
    await api.delete(f"/v1/passcodes/{made['id']}")
    keyed = (Digits(made["digits"] + "#", 0.3),)
    await calls.place([SipCaller(ACCESS_NUMBER, keyed, caller=number, stay=1.5)], sandbox.sip_address)
    assert await api.all("/v1/minutes", account_id=firm.id) == []
    assert await reasons(api, number, 1) == {"wrong": 1}


async def test_two_steps_a_code_and_then_its_pin(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    number = "4930777005"
    made = await api.post(f"/v1/rooms/{firm.members[1].room_id}/passcodes", {"role": "host", "pin": "generate"})
    pin, wrong = made["pin"], made["pin"][:-1] + str((int(made["pin"][-1]) + 1) % 10)
    tries = (Digits(made["digits"], 0.3), Digits(wrong + "#", 1.0), Digits(made["digits"], 1.0), Digits(pin, 1.0))
    await calls.place([SipCaller(ACCESS_NUMBER, tries, caller=number, stay=1.5)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["role"] == "host"
    assert await reasons(api, number, 1) == {"wrong_pin": 1}
    [attempt] = await api.all("/v1/admission-attempts", account_id=firm.id)
    assert (attempt["passcode_id"], attempt["reason"]) == (made["id"], "wrong_pin")
