"""Calls of ours, and a carrier's file of the same calls, made for tests."""

from dataclasses import replace
from uuid import UUID

from hypothesis import strategies as st

from bridge.domain.billing.carrier_call import CarrierCall, OwnCall
from bridge.domain.billing.carrier_reconciliation import ReconciliationTerms

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_795_435_399 * SECOND
TERMS = ReconciliationTerms(since_us=START - 10**12, until_us=START + 10**12)
CALLERS = ["+4930123456", "0049891234567", "18005550142", ""]
NUMBERS = ["18005550100", "4930999888"]


def own(
    number: int,
    at: int = START,
    seconds: float | None = 60,
    caller: str = "+4930123456",
    dialled: str = "18005550100",
    call_id: str = "",
    *,
    answered: bool = True,
) -> OwnCall:
    """A call of ours that came at `at` (µs) and was answered 200 ms later; `seconds` None leaves it open."""
    answered_us = at + SECOND // 5 if answered else None
    ended_us = None if seconds is None else at + SECOND // 5 + int(seconds * SECOND)
    return OwnCall(
        id=UUID(int=number + 1),
        node="node1",
        uniqueid=f"node1-{number}.1",
        caller=caller,
        number=dialled,
        sip_call_id=call_id,
        started_us=at,
        answered_us=answered_us,
        ended_us=ended_us,
        outcome="joined" if answered else "unserved",
        evidence=None if seconds is None else "measured",
    )


def theirs(line: int, call: OwnCall) -> CarrierCall:
    """Return one of our calls as a carrier with perfect clocks writes it."""
    return CarrierCall(
        line=line,
        caller=call.caller,
        number=call.number,
        sip_call_id=call.sip_call_id,
        at_us=call.at(True),
        from_answer=call.answered_us is not None,
        duration_us=call.duration_us,
        answered=call.answered_us is not None,
    )


def copied(calls: list[OwnCall]) -> list[CarrierCall]:
    return [theirs(line, call) for line, call in enumerate(calls, start=2)]


@st.composite
def own_calls(draw: st.DrawFn, apart_us: int = 0) -> list[OwnCall]:
    """Calls of a few callers to two numbers, many of them close together, some with a Call-ID, some of these twice.

    No two calls arrive within `apart_us` of each other.
    """
    found: list[OwnCall] = []
    at = START
    for number in range(draw(st.integers(0, 12))):
        at += apart_us + draw(st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 10 * MINUTE)))
        call = own(
            number,
            at,
            draw(st.sampled_from([0.5, 5, 60, 61.25, 3600])),
            draw(st.sampled_from(CALLERS)),
            draw(st.sampled_from(NUMBERS)),
            draw(st.sampled_from(["", f"id-{number}@pbx", "id-0@pbx"])),
            answered=draw(st.integers(0, 4)) > 0,
        )
        found.append(call if call.answered_us else replace(call, sip_call_id=""))
    return found


@st.composite
def carrier_calls(draw: st.DrawFn) -> list[CarrierCall]:
    """A file that has its own idea of what was called."""
    calls = copied(draw(own_calls()))
    return [
        replace(
            call,
            at_us=call.at_us + draw(st.integers(-MINUTE, MINUTE)),
            from_answer=draw(st.booleans()),
            duration_us=draw(st.sampled_from([call.duration_us, None, 0, 7 * SECOND])),
        )
        for call in calls
    ]
