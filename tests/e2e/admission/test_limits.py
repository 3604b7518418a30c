"""Limits hold at the same instant and over a restart; recognised callers, dedicated numbers, languages, listeners."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from bridge.sandbox import company
from bridge.sandbox.callers import calls, media
from bridge.sandbox.callers.calls import Digits, SipCall, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, journaled, until

RATE = 8000


@pytest.fixture
def daemon_back(sandbox: Sandbox) -> Iterator[None]:
    try:
        yield
    finally:
        sandbox.up()


async def inside(api: Rest, room_id: str) -> list[dict[str, Any]]:
    found = await api.get("/v1/conferences")
    return [person for room in found["items"] if room["room_id"] == room_id for person in room["participants"]]


@asynccontextmanager
async def calling(sandbox: Sandbox, *who: SipCaller) -> AsyncIterator[list[SipCall]]:
    """These calls, all begun at once; they hang up with the block."""
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(calls.start(caller, sandbox.sip_address)) for caller in who]
        yield list(await asyncio.gather(*starting))


def guest(digits: str, number: int = 0) -> SipCaller:
    return SipCaller(ACCESS_NUMBER, (Digits(digits, 1.0),), caller=f"49301110{number:02}", stay=120.0)


async def test_exactly_as_many_as_a_room_takes_get_in_at_the_same_instant(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    member = firm.members[0]
    await api.patch(f"/v1/rooms/{member.room_id}", {"max_participants": 5})
    callers_at_once = [guest(member.digits[("host", "guest")[number % 2]], number) for number in range(20)]
    async with calling(sandbox, *callers_at_once) as calls:

        async def turned_away() -> int:
            return sum(call.log.ended_by == "far end" for call in calls)

        await until(turned_away, lambda count: count == 15, seconds=30)
        assert len(await until(lambda: inside(api, member.room_id), lambda people: len(people) >= 5)) == 5
        # A place that is given back can be taken at once.
        staying = [call for call in calls if call.log.ended_by is None]
        await staying[0].hang_up()
        async with calling(sandbox, guest(member.digits["guest"], 30)):
            newest = "4930111030"
            people = await until(
                lambda: inside(api, member.room_id), lambda found: any(newest in one["caller"] for one in found)
            )
            assert len(people) == 5
    assert len(await closed(api, firm.id, 6)) == 6
    attempts = await api.all("/v1/admission-attempts", account_id=firm.id)
    assert [attempt["reason"] for attempt in attempts] == ["room_full"] * 15


async def test_those_inside_count_after_the_daemon_was_killed(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    member = firm.members[0]
    await api.patch(f"/v1/accounts/{firm.id}", {"max_callers": 2})
    async with calling(sandbox, guest(member.digits["guest"], 1), guest(firm.members[1].digits["host"], 2)):
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), lambda found: len(found) == 2)
        sandbox.kill("daemon")
        await asyncio.to_thread(sandbox.up)
        async with calling(sandbox, guest(firm.members[2].digits["host"], 3)) as [late]:
            assert (await late.finished(30.0)).ended_by == "far end"
    attempts = await until(lambda: api.all("/v1/admission-attempts", account_id=firm.id), bool)
    assert [attempt["reason"] for attempt in attempts] == ["account_full"]


async def test_a_trusted_caller_is_the_host_without_a_code(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    member, number = firm.members[1], "4930555001"
    await api.patch(f"/v1/sub-accounts/{member.id}", {"trust_callers": True})
    known = {"number": f"+{number}", "name": "Ada", "skips_code": True}
    await api.post(f"/v1/sub-accounts/{member.id}/known-callers", known)
    who = SipCaller(ACCESS_NUMBER, caller=f"+{number}", stay=120.0)
    async with calling(sandbox, who):
        [person] = await until(lambda: inside(api, member.room_id), bool)
        assert person["role"] == "host"
    [record] = await closed(api, firm.id, 1)
    assert (record["role"], record["sub_account_id"]) == ("host", member.id)


async def test_on_a_dedicated_number_the_codes_of_others_are_wrong(
    sandbox: Sandbox, api: Rest, firm: Company, request: pytest.FixtureRequest
) -> None:
    other = await company.create(api, f"another firm {request.node.name}")
    number = "18005550177"
    await api.post("/v1/access-numbers", {"number": number, "account_id": other.id})
    own = SipCaller(number, (Digits(other.members[0].digits["guest"], 0.5),), caller="4930555002", stay=1.5)
    theirs = SipCaller(number, (Digits(firm.members[0].digits["guest"] + "#", 0.5),), caller="4930555003", stay=2.0)
    await calls.place([own, theirs], sandbox.sip_address)
    assert len(await closed(api, other.id, 1)) == 1
    assert await api.all("/v1/minutes", account_id=firm.id) == []
    attempts = await until(lambda: api.all("/v1/admission-attempts", account_id=firm.id), bool)
    assert [attempt["reason"] for attempt in attempts] == ["other_number"]


async def test_a_number_speaks_its_language_in_the_dialogue_and_in_the_room(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    number, member = "18005550188", firm.members[0]
    await api.post("/v1/access-numbers", {"number": number, "language": "fr"})
    async with calling(sandbox, SipCaller(number, caller="4930555004", stay=120.0)) as [call]:
        await call.answered()
        line = await journaled(sandbox, "CALLED", call.log.call_id)

        async def shown() -> str:
            return sandbox.asterisk.cli(f"core show channel {line['channame']}")

        def speaks_french(text: str) -> bool:
            return any(one.split() == ["Language:", "fr"] for one in text.splitlines())

        await until(shown, speaks_french)
        await call.key(member.digits["guest"])
        await until(lambda: inside(api, member.room_id), bool)
        assert speaks_french(await shown())


async def test_a_listener_hears_and_is_never_heard(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    member = firm.members[0]
    made = await api.post(f"/v1/rooms/{member.room_id}/passcodes", {"role": "listener"})
    host = SipCaller(
        ACCESS_NUMBER, (Digits(member.digits["host"], 0.0),), caller="4930555005", stay=120.0, tone=450, records=True
    )
    listener = SipCaller(
        ACCESS_NUMBER, (Digits(made["digits"], 0.0),), caller="4930555006", stay=120.0, tone=700, records=True
    )
    async with calling(sandbox, host, listener) as calls:
        people = await until(lambda: inside(api, member.room_id), lambda found: len(found) == 2)
        assert {person["role"]: person["muted"] for person in people} == {"host": False, "listener": True}
        # A host who unmutes everybody changes nothing for a listener.
        sandbox.asterisk.cli(f"confbridge unmute {member.room_id} all")
        await calls[1].key("*6")
        marks = [len(call.heard) for call in calls]

        async def heard_s() -> float:
            return min(len(call.heard) - mark for call, mark in zip(calls, marks, strict=True)) / RATE

        await until(heard_s, lambda seconds: seconds >= 3.0, seconds=15)
        sounds = [bytes(call.heard[mark:]) for call, mark in zip(calls, marks, strict=True)]
    assert loudness(sounds[1], 450) > 100 * loudness(sounds[0], 700)


def loudness(heard: bytes, hertz: int) -> float:
    samples = np.asarray(media.linear(heard), dtype=np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) / len(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(spectrum[np.abs(frequencies - hertz) <= 10].max())


async def test_who_came_in_by_a_revoked_code_is_hung_up_on_where_asked_for(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    member = firm.members[0]
    made = await api.post(f"/v1/rooms/{member.room_id}/passcodes", {"role": "guest"})
    async with calling(sandbox, guest(made["digits"], 41), guest(member.digits["guest"], 42)) as [revoked, other]:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), lambda found: len(found) == 2)
        # Who came by which code is known after a restart as well.
        sandbox.kill("daemon")
        await asyncio.to_thread(sandbox.up)
        await api.delete(f"/v1/passcodes/{made['id']}?disconnect=true")
        assert (await revoked.finished(10.0)).ended_by == "far end"
        [record] = await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="closed"), bool)
        assert (record["left_reason"], record["evidence"]) == ("disconnected", "measured")
        await api.patch(f"/v1/sub-accounts/{member.id}?disconnect=true", {"state": "suspended"})
        assert (await other.finished(10.0)).ended_by == "far end"
    assert [one["left_reason"] for one in await closed(api, firm.id, 2)] == ["disconnected"] * 2
