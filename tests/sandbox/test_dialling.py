"""Real callers against a real Asterisk: what they key is heard, and what they write down is true."""

import pytest

from bridge.sandbox import dialling, processes, system
from bridge.sandbox.call_log import CallLog
from bridge.sandbox.caller import AwaitHangUp, Caller, Cancel, HangUp, Keys

from .conftest import TestNode

telephone_events = pytest.mark.skipif(not system.may_send_telephone_events(), reason="SIPp may not open raw sockets")


def heard(asterisk: TestNode, caller: Caller) -> str:
    """What Read() got from this caller."""
    return next(text.split("[")[1][:-1] for _, text in asterisk.log if text.startswith(f"HEARD {caller.caller_id} "))


def moments(asterisk: TestNode, log: CallLog) -> tuple[float, float]:
    """When Asterisk answered and ended a call, in seconds since 1970."""

    def both() -> bool:
        return sum(log.call_id in text for _, text in asterisk.log) >= 2

    assert processes.wait_until(both, 5.0), f"{log.call_id} is not in Asterisk's log"
    answered, ended = [at for at, text in asterisk.log if log.call_id in text]
    return answered, ended


@telephone_events
async def test_all_ways_of_keying_arrive_side_by_side(asterisk: TestNode) -> None:
    sounds = (None, 440.0)
    ways = [(dtmf, tone) for dtmf in ("rfc4733", "info", "inband") for tone in sounds]
    placed = [
        Caller("1000", f"49100{number}", (Keys("12", 0.3), Keys("p34*0", 0.2)), dtmf=dtmf, tone=tone)  # type: ignore[arg-type]
        for number, (dtmf, tone) in enumerate(ways)
    ]
    logs = await dialling.place(placed, asterisk.sip)
    assert {caller.caller_id: heard(asterisk, caller) for caller in placed} == {
        caller.caller_id: "1234*0" for caller in placed
    }
    assert {(log.status, log.ended_by) for log in logs} == {(200, "caller")}
    for log in logs:
        answered, ended = moments(asterisk, log)
        assert log.answered_at and log.ended_at
        assert abs(log.answered_at.timestamp() - answered) < 0.25
        assert abs(log.ended_at.timestamp() - ended) < 0.25
        assert abs(log.talked.total_seconds() - (ended - answered)) < 0.25


async def test_digits_from_the_answer_on(asterisk: TestNode) -> None:
    caller = Caller("1000", "492000", (Keys("987654", 0.0),), dtmf="info")
    await dialling.place([caller], asterisk.sip)
    assert heard(asterisk, caller) == "987654"


async def test_calls_that_end_otherwise(asterisk: TestNode) -> None:
    kicked, waiting, busy, unknown, given_up, crossed = await dialling.place(
        [
            Caller("2000", "1", ending=HangUp(20)),
            Caller("2000", "2", ending=AwaitHangUp(20)),
            Caller("3000", "3"),
            Caller("5000", "4"),
            Caller("4000", "5", ending=Cancel(0.5)),
            Caller("2000", "6", ending=Cancel(0.5)),
        ],
        asterisk.sip,
    )
    for log in (kicked, waiting):
        answered, ended = moments(asterisk, log)
        assert (log.status, log.ended_by) == (200, "far end")
        assert log.ended_at and abs(log.ended_at.timestamp() - ended) < 0.25
    assert (busy.status, busy.ended_by, busy.answered_at) == (486, "far end", None)
    assert (unknown.status, unknown.ended_by, unknown.answered_at) == (404, "far end", None)
    assert (given_up.status, given_up.ended_by, given_up.answered_at) == (487, "caller", None)
    assert (crossed.status, crossed.ended_by) == (200, "caller")


async def test_hang_up_at_once(asterisk: TestNode) -> None:
    given_up, answered = await dialling.place(
        [Caller("2000", "7", ending=Cancel()), Caller("1000", "8", ending=HangUp(0))], asterisk.sip
    )
    assert given_up.ended_by == answered.ended_by == "caller"
    assert answered.talked.total_seconds() < 0.5


@telephone_events
async def test_load(asterisk: TestNode) -> None:
    calls = [dialling.Load("1000", f"4930{number:02}", f"{number:02}5678") for number in range(30)]
    logs = await dialling.load(calls, asterisk.sip, rate=20)
    assert len(logs) == 30 and {log.status for log in logs} == {200}
    assert [heard(asterisk, Caller("", call.caller_id)) for call in calls] == [call.digits for call in calls]
