"""Callers reach their room by phone, in every way that digits can be sent."""

import time
from typing import Any

import pytest

from bridge.domain.metering import journal_line
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.callers.media import Dtmf
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, journal, journaled, until


def caller(*script: Digits, **about: Any) -> SipCaller:
    return SipCaller(ACCESS_NUMBER, script, **{"stay": 1.5, **about})


@pytest.mark.parametrize("dtmf", ["rfc4733", "inband"])
@pytest.mark.parametrize("wait", [0.0, 1.0, 4.5], ids=["at once", "into the prompt", "after the prompt"])
async def test_digits_count_however_and_whenever_they_come(
    sandbox: Sandbox, api: Rest, firm: Company, dtmf: Dtmf, wait: float
) -> None:
    member = firm.members[0]
    await calls.place([caller(Digits(member.digits["guest"], wait), dtmf=dtmf, stay=3.0)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert (record["room_id"], record["role"], record["left_reason"]) == (member.room_id, "guest", "hung_up")


async def test_a_fax_line_in_the_offer_does_not_mute_the_call(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    who = caller(Digits(firm.members[0].digits["guest"], 0.3), offers_fax=True, tone=440, records=True)
    async with calls.start(who, sandbox.sip_address) as call:
        await call.keyed()
        log = await call.finished()
    assert (log.status, log.ended_by) == (200, "caller")
    assert len(call.heard) > 8000  # the greeting
    assert len(await closed(api, firm.id, 1)) == 1


async def test_a_trailing_hash_is_swallowed_and_the_host_is_a_host(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    member = firm.members[1]
    async with calls.start(caller(Digits(member.digits["host"] + "#"), stay=60.0), sandbox.sip_address) as call:
        [live] = await until(
            lambda: _live(api, member.room_id), lambda found: found and found[0]["participants"], seconds=20
        )
        [participant] = live["participants"]
        assert participant["role"] == "host"
        await call.hang_up()
    [record] = await closed(api, firm.id, 1)
    assert record["role"] == "host"


async def _live(api: Rest, room_id: str) -> list[Any]:
    found = await api.get("/v1/conferences")
    return [conference for conference in found["items"] if conference["room_id"] == room_id]


async def test_a_mistyped_code_may_be_tried_again(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    code = firm.members[0].digits["host"]
    script = (Digits("4444444", 0.5), Digits(code[:3] + "*" + code, 4.0))
    await calls.place([caller(*script)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["role"] == "host"


@pytest.mark.parametrize(
    "script",
    [
        (Digits("9999999#", 0.5), Digits("123#", 3.0), Digits("1" * 30 + "#", 3.0)),
        (Digits("***", 1.0),),
        (),
    ],
    ids=["wrong, short, long", "stars", "silence"],
)
async def test_after_three_tries_the_caller_is_told_and_hung_up_on(
    sandbox: Sandbox, firm: Company, script: tuple[Digits, ...]
) -> None:
    [log] = await calls.place([caller(*script, stay=60.0, hangs_up="far end")], sandbox.sip_address)
    assert (log.status, log.ended_by) == (200, "far end")
    ended = await journaled(sandbox, "ENDED", log.call_id)
    assert ended["appdata"].startswith("ENDED,refused:")


async def test_a_code_is_heard_although_the_network_stalls_in_it(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    """Asterisk reports keys twice that arrive at once."""
    digits = Digits(firm.members[0].digits["guest"], 0.3)
    stalls = [(0.4 + 0.13 * number, length) for number in range(6) for length in (0.2, 0.45)]
    who = [
        SipCaller(ACCESS_NUMBER, (digits,), caller=f"49304440{number:02}", stay=2.5, stall=stall)
        for number, stall in enumerate(stalls)
    ]
    await calls.place(who, sandbox.sip_address)
    records = await closed(api, firm.id, len(who))
    assert {record["caller"] for record in records} == {f"+{caller.caller}" for caller in who}


async def test_an_unknown_number_is_not_answered(sandbox: Sandbox) -> None:
    [log] = await calls.place([SipCaller("18005559999", stay=30.0, hangs_up="far end")], sandbox.sip_address)
    assert (log.status, log.answered_at) == (404, None)
    ended = await journaled(sandbox, "ENDED", log.call_id)
    assert ended["appdata"].startswith("ENDED,refused:")


@pytest.mark.parametrize("early", ["cancel", "at the answer", "in the prompt", "in the code", "in the refusal"])
async def test_hanging_up_at_each_point_leaves_no_record_and_no_call(
    sandbox: Sandbox, api: Rest, firm: Company, early: str
) -> None:
    code = firm.members[0].digits["host"]
    who = {
        "cancel": caller(stay=0.0, hangs_up="cancel"),
        "at the answer": caller(stay=0.0),
        "in the prompt": caller(stay=1.0),
        "in the code": caller(Digits(code[:-1], 1.0), stay=0.2),
        "in the refusal": caller(Digits("9#", 0.5), Digits("9#", 2.5), Digits("9#", 2.5), stay=1.5),
    }[early]
    [log] = await calls.place([who], sandbox.sip_address)
    await until(
        lambda: _lines(sandbox, log.call_id, "ENDED"), lambda found: len(found) == 1 or early == "cancel", seconds=20
    )
    assert await api.all("/v1/minutes", account_id=firm.id) == []


async def _lines(sandbox: Sandbox, call_id: str, event: str) -> list[Any]:
    return [line for line in journal(sandbox) if line["eventtype"] == event and call_id in line["appdata"]]


async def test_a_new_passcode_works_and_a_revoked_one_stops_within_a_second(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    room = firm.members[2].room_id
    made = await api.post(f"/v1/rooms/{room}/passcodes", {"role": "guest"})
    # The code is complete little more than a second after its creation: its digits take that long to key.
    began = time.monotonic()
    await calls.place([caller(Digits(made["digits"], 0.0), stay=1.0)], sandbox.sip_address)
    assert len(await closed(api, firm.id, 1)) == 1
    assert time.monotonic() - began < 20
    await api.delete(f"/v1/passcodes/{made['id']}")
    async with calls.start(caller(Digits(made["digits"], 0.0), stay=4.0), sandbox.sip_address) as call:
        await call.finished()
    assert len(await api.all("/v1/minutes", account_id=firm.id)) == 1


HOSTILE = (
    "%5C",
    "%0A%0D",
    "%22",
    "%FF%01x",
    "a,b,c",
    "$%7BHANGUPCAUSE%7D",
    "$%5B1+1%5D",
    "1" * 600,
    "%27%3B--",
    "+49%2030/1",
)


HOSTILE_NUMBERS = (*HOSTILE, ACCESS_NUMBER + "%0A", "${EXTEN}", "$[1]")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_callers_end_in_a_complete_record(sandbox: Sandbox, api: Rest, firm: Company, text: str) -> None:
    code = firm.members[0].digits["guest"]
    who = SipCaller(ACCESS_NUMBER, (Digits(code, 0.3),), caller=text, name=text.replace('"', ""), stay=1.2)
    [log] = await calls.place([who], sandbox.sip_address)
    assert log.status == 200
    [record] = await closed(api, firm.id, 1)
    assert record["left_reason"] == "hung_up"
    assert record["evidence"] == "measured"
    assert set(record["caller"]) <= set("0123456789+")
    assert len(record["caller"]) <= 20
    assert record["access_number"] == ACCESS_NUMBER
    assert 1.0 < record["duration_us"] / 1e6 < 3.0


@pytest.mark.parametrize("text", ["c8oqz84zk7z", "550e8400-e29b-41d4-a716-446655440000", "anonymous", "4930123456a"])
async def test_a_caller_whose_number_has_a_letter_has_none(
    sandbox: Sandbox, api: Rest, firm: Company, text: str
) -> None:
    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["guest"], 0.3),), caller=text, stay=1.2)
    await calls.place([who], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["caller"] == ""


@pytest.mark.parametrize("name", ["h", "i", "s", "t", "o", "a"])
async def test_the_names_of_asterisks_own_extensions_reach_nothing(sandbox: Sandbox, name: str) -> None:
    """Nor do they slip past the cleaning: no line of such a call but its CHAN_START may be broken."""
    before = sandbox.asterisk.journal.read_bytes().count(b"\n")
    [log] = await calls.place(
        [SipCaller(name, caller="49%0A1%5C", stay=20.0, hangs_up="far end")], sandbox.sip_address, patience=5.0
    )
    await until(lambda: _lines(sandbox, log.call_id, "ENDED"), lambda found: log.status != 200 or found, seconds=5)
    lines = sandbox.asterisk.journal.read_bytes().split(b"\n")[before:]
    broken = [line for line in lines if line and isinstance(journal_line.parse(line), journal_line.Garbage)]
    assert all(b"CHAN_START" in line or not line.startswith(b"{") for line in broken)
    assert not any(b"LEFT" in line or b"CALLED" in line or b"HANGUP" in line for line in broken)


@pytest.mark.parametrize("text", HOSTILE_NUMBERS)
async def test_hostile_dialled_numbers_do_no_harm(sandbox: Sandbox, api: Rest, firm: Company, text: str) -> None:
    """They get in (when what is left is our number) with a complete record, or get a clear no; the node lives on."""
    code = firm.members[0].digits["guest"]
    [log] = await calls.place([SipCaller(text, (Digits(code, 0.3),), stay=1.2)], sandbox.sip_address, patience=5.0)
    assert log.status is not None or log.invited_at is not None
    records = await api.all("/v1/minutes", account_id=firm.id)
    if log.status == 200 and text.startswith(ACCESS_NUMBER):
        [record] = await closed(api, firm.id, 1)
        assert record["access_number"] == ACCESS_NUMBER
    else:
        assert records == []
    assert "fully booted" in sandbox.asterisk.cli("core waitfullybooted")
