"""Stays become records at once, and the bill is their sum."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from bridge.sandbox import demo
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, until


async def test_a_stay_is_open_within_a_second_of_the_join_and_closed_within_one_of_the_leave(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    def minutes(state: str) -> Any:
        return lambda: api.all("/v1/minutes", account_id=firm.id, state=state)

    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=60.0)
    async with calls.start(who, sandbox.sip_address) as call:
        await call.keyed()
        [record] = await until(minutes("open"), bool)
        seen = datetime.now(UTC)
        assert (seen - datetime.fromisoformat(record["joined_at"])).total_seconds() < 1.0
        assert (record["left_at"], record["amount"]) == (None, None)
        log = await call.hang_up()
    [after] = await until(minutes("closed"), bool)
    assert log.ended_at is not None
    assert (datetime.now(UTC) - log.ended_at).total_seconds() < 1.0
    assert after["id"] == record["id"]
    assert abs((datetime.fromisoformat(after["left_at"]) - log.ended_at).total_seconds()) < 0.2


async def test_a_kicked_participant_leaves_with_that_reason(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    member = firm.members[0]
    who = SipCaller(ACCESS_NUMBER, (Digits(member.digits["guest"], 0.0),), stay=60.0, hangs_up="far end")
    async with calls.start(who, sandbox.sip_address) as call:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        sandbox.asterisk.cli(f"confbridge kick {member.room_id} all")
        await call.finished(10.0)
    [record] = await closed(api, firm.id, 1)
    assert record["left_reason"] == "kicked"


async def test_every_call_is_kept_with_its_outcome_and_sip_call_id(sandbox: Sandbox, firm: Company) -> None:
    logs = await calls.place(
        [
            SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=1.0),
            SipCaller(ACCESS_NUMBER, stay=1.0),
            SipCaller("18005559999", stay=30.0, hangs_up="far end"),
        ],
        sandbox.sip_address,
    )
    connection = await asyncpg.connect(sandbox.database_url)
    try:

        async def outcomes() -> list[tuple[str, str]]:
            rows = await connection.fetch(
                "SELECT sip_call_id, outcome FROM calls WHERE sip_call_id = ANY($1::text[])",
                [log.call_id for log in logs],
            )
            return [tuple(row) for row in rows]  # type: ignore[misc]

        found = dict(await until(outcomes, lambda rows: len(rows) == len(logs)))
    finally:
        await connection.close()
    assert [found[log.call_id] for log in logs] == ["joined", "abandoned", "refused"]


async def test_the_demo_holds(sandbox: Sandbox) -> None:
    said: list[str] = []
    began = time.monotonic()
    assert await demo.play(sandbox, said.append), "\n".join(said)
    assert time.monotonic() - began < 120
    print("\n".join(said))


async def test_statements_are_the_sum_of_their_lines(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    who = [
        SipCaller(ACCESS_NUMBER, (Digits(member.digits[role], 0.0),), stay=stay)
        for member, role, stay in zip(firm.members, ("host", "guest", "host"), (1.0, 2.5, 7.0), strict=True)
    ]
    await calls.place(who, sandbox.sip_address)
    records = await closed(api, firm.id, 3)
    period = datetime.now(UTC).strftime("%Y-%m")
    [statement] = (await api.get("/v1/statements", account_id=firm.id, period=period))["items"]
    assert {line["user_id"] for line in statement["lines"]} == {member.user_id for member in firm.members}
    for line in statement["lines"]:
        [record] = [record for record in records if record["user_id"] == line["user_id"]]
        assert (line["stays"], line["duration_us"], line["amount"]) == (1, record["duration_us"], record["amount"])
    amounts = sum(Decimal(record["amount"]) for record in records)
    assert Decimal(statement["subtotal"]) == amounts
    text = sandbox.bridge("statement", "--account", firm.id, "--period", period)
    assert statement["total"] in text
