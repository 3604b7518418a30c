"""Callers whose telephones disappear without BYE: when Asterisk ends their calls, and what is charged."""

import asyncio
import time
from datetime import datetime

from bridge.domain.metering.records import microseconds
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, journal, until

SECOND = 1_000_000
WAITED = 60
"""Asterisk's patience by default. That with a caller on hold is another here: one must not be taken for the other."""
LISTENING = 1
"""It looks for audio in whole seconds."""


async def test_a_stay_ends_where_the_audio_ended_on_hold_as_well(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    talking, holding = (
        SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"]),), caller=str(number), stay=120.0)
        for number, member in enumerate(firm.members[:2], 4930123450)
    )
    async with calls.start(talking, sandbox.sip_address) as one, calls.start(holding, sandbox.sip_address) as other:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), lambda found: len(found) == 2)
        await asyncio.sleep(2 * LISTENING)  # a stay that is shorter than what is taken off would end at the join
        await other.hold()
        died = time.time() * SECOND
        one.vanish()
        other.vanish()
        records = {record["caller"]: record for record in await closed(api, firm.id, 2, 80.0)}
    on_hold = int(sandbox.environment["BRIDGE_RTP_TIMEOUT_HOLD"])
    for caller, waited in ((talking, WAITED), (holding, on_hold)):
        record = records[f"+{caller.caller}"]
        left, exited = microseconds(datetime.fromisoformat(record["left_at"])), _exited(sandbox, record["uniqueid"])
        assert (record["left_reason"], record["evidence"]) == ("media_lost", "estimated")
        assert (exited - left, record["error_bound_us"]) == ((waited + LISTENING) * SECOND,) * 2
        assert died - 2 * SECOND <= left <= died + SECOND / 10


def _exited(sandbox: Sandbox, uniqueid: str) -> int:
    [at] = [
        found["eventtime"]
        for found in journal(sandbox)
        if (found["uniqueid"], found["eventtype"]) == (uniqueid, "BRIDGE_EXIT")
    ]
    return int(at.replace(".", ""))
