"""The lockout of callers who guess passcodes by phone, across calls and restarts; others are not affected."""

import asyncio
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

WRONG = (Digits("9999999#", 0.3), Digits("9999998#", 0.3), Digits("9999997#", 0.3))


@pytest.fixture
def daemon_back(sandbox: Sandbox) -> Iterator[None]:
    try:
        yield
    finally:
        sandbox.up()


async def guess(sandbox: Sandbox, number: str) -> None:
    """Twelve wrong codes, by four calls at once."""
    who = SipCaller(ACCESS_NUMBER, WRONG, caller=number, stay=1.5)
    await calls.place([who] * 4, sandbox.sip_address)


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


async def test_a_guesser_is_blocked_across_calls_and_restarts_until_an_operator_lifts_it(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    number = "4930777001"
    await guess(sandbox, number)
    assert (await reasons(api, number, 10))["wrong"] == 10
    assert not await gets_in(sandbox, api, firm, number)
    assert await gets_in(sandbox, api, firm, "4930777002")
    sandbox.kill("daemon")
    await asyncio.to_thread(sandbox.up)
    assert not await gets_in(sandbox, api, firm, number)
    counted = await reasons(api, number, 12)
    assert (counted["wrong"], counted.total() - counted["blocked"]) == (10, 10)
    assert counted["blocked"] >= 2
    [block] = [one for one in await api.all("/v1/blocks") if one["value"] == f"+{number}"]
    assert (block["kind"], block["blocked_until"] is not None) == ("caller", True)
    await api.delete(f"/v1/blocks/{block['id']}")
    assert await gets_in(sandbox, api, firm, number)


async def test_a_caller_who_was_let_in_before_is_not_locked_out_by_guesses_under_the_same_number(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    number = "4930777003"
    assert await gets_in(sandbox, api, firm, number)
    await guess(sandbox, number)
    sandbox.kill("daemon")
    await asyncio.to_thread(sandbox.up)
    assert await gets_in(sandbox, api, firm, number)


async def test_withheld_numbers_share_a_throttle_that_never_blocks(sandbox: Sandbox, api: Rest, firm: Company) -> None:
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
