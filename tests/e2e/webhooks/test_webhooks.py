"""A receiver hears of a conference as it happens, in order, signed, whatever becomes of the daemon."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.domain.webhooks import signature
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, until

STORY = [
    *("conference.started", "participant.joined", "participant.joined"),
    *("participant.left", "participant.left", "conference.ended"),
]


class Receiver:
    """Keeps each message once, as one should, and whether it was signed."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.heard: dict[str, dict[str, Any]] = {}
        self.unsigned = 0

    async def handle(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        wanted = signature.signature(self.secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
        self.unsigned += wanted not in headers["webhook-signature"].split(" ")
        self.heard.setdefault(headers["webhook-id"], json.loads(body))
        return web.Response(status=204)

    async def told(self) -> list[dict[str, Any]]:
        return list(self.heard.values())


@pytest.fixture
async def receiver(api: Rest, firm: Company) -> AsyncIterator[Receiver]:
    """One that the firm has told to be told of its rooms."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.handle)
    async with TestServer(app, host="127.0.0.1") as served:
        made.url = str(served.make_url("/hook"))
        wanted = {"account_id": firm.id, "url": made.url, "events": sorted(set(STORY))}
        hook = await api.post("/v1/webhooks", wanted)
        made.secret = hook["secret"]
        yield made
        await api.delete(f"/v1/webhooks/{hook['id']}")


async def meet(sandbox: Sandbox, api: Rest, firm: Company) -> None:
    """Two callers in one room, who leave one after the other."""
    member = firm.members[0]
    who = [
        SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"], 0.0),), stay=3.0),
        SipCaller(ACCESS_NUMBER, (Digits(member.digits["guest"], 0.0),), stay=5.0),
    ]
    await calls.place(who, sandbox.sip_address)


async def test_a_conference_of_two_is_told_as_it_happens(
    sandbox: Sandbox, api: Rest, firm: Company, receiver: Receiver
) -> None:
    await meet(sandbox, api, firm)
    told = await until(receiver.told, lambda heard: len(heard) == len(STORY))
    assert [each["type"] for each in told] == STORY
    assert receiver.unsigned == 0
    records = {record["id"]: record for record in await closed(api, firm.id, 2)}
    started, first, second, left, last, ended = (each["data"] for each in told)
    for each in (left, last):
        # C adds names of known callers to what REST tells; all that is told here is told there.
        record = records[each["id"]]
        assert {name: record[name] for name in each} == each
    assert {first["id"], second["id"]} == {left["id"], last["id"]} == set(records)
    assert (first["left_at"], first["amount"]) == (None, None)
    assert started["id"] == ended["id"] == first["conference_id"]
    assert started["room_id"] == firm.members[0].room_id
    assert (ended["stays"], ended["started_at"], ended["ended_at"]) == (2, first["joined_at"], last["left_at"])
    assert all(each["account_id"] == firm.id for each in told)


async def test_what_happens_while_the_daemon_is_dead_is_told_afterwards(
    sandbox: Sandbox, api: Rest, firm: Company, receiver: Receiver
) -> None:
    member = firm.members[1]
    who = SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"], 0.0),), stay=60.0)
    async with calls.start(who, sandbox.sip_address) as call:
        await until(receiver.told, lambda heard: len(heard) == 2)
        sandbox.kill("daemon")
        try:
            await call.hang_up()
        finally:
            await asyncio.to_thread(sandbox.up)
    told = await until(receiver.told, lambda heard: len(heard) == 4, 20.0)
    assert [each["type"] for each in told] == [
        "conference.started",
        "participant.joined",
        "participant.left",
        "conference.ended",
    ]
    assert receiver.unsigned == 0
