"""Hanging up participants, over a fake ARI."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from bridge.asterisk.ari import client
from bridge.asterisk.ari.client import Ari, AriLogin, AriUnreachable
from bridge.asterisk.ari.hangup import ParticipantHangup
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.seats import Seats
from bridge.domain.metering.records import Identity, OpenStay
from bridge.domain.provisioning.passcode import Role
from tests.asterisk.ari.fake_ari import FakeAri, running
from tests.asterisk.ari.fake_present_participants import FakePresentParticipants

ROOM, PASSCODE, OTHER = uuid4(), uuid4(), uuid4()


def present(*uniqueids: str, away: bool = False) -> FakePresentParticipants:
    """The ledger's participants, who came in by PASSCODE before a restart."""
    stays = [
        OpenStay(
            Identity("node1", uniqueid, "b-1", 0),
            *("node1-0.0", str(ROOM), "account", "sub-account", str(PASSCODE), "guest", ""),
            *(f"PJSIP/trunk-{uniqueid}", "4930123456", "18005550100"),
        )
        for uniqueid in uniqueids
    ]
    return FakePresentParticipants(stays, away)


def seats(*callers: str) -> Seats:
    taken = Seats(lambda _: None)
    for caller in callers:
        taken.take(caller, Grant(str(PASSCODE), str(uuid4()), str(uuid4()), str(ROOM), Role.GUEST), 0)
    return taken


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeAri, Ari]]:
    async with running() as (made, login), connected(login) as session:
        yield made, session


class connected:
    def __init__(self, login: AriLogin) -> None:
        self._connecting = client.ari_connection(login)

    async def __aenter__(self) -> Ari:
        session = await self._connecting.__aenter__()
        self._reading = asyncio.create_task(self._read(session))
        return session

    async def __aexit__(self, *error: object) -> None:
        self._reading.cancel()
        await self._connecting.__aexit__(None, None, None)

    async def _read(self, session: Ari) -> None:
        async for _ in session.events():
            pass


def hung_up(fake: FakeAri) -> list[str]:
    return [uri for method, uri, _ in fake.requests if method == "DELETE"]


async def test_those_of_the_ledger_and_those_on_the_way_are_hung_up_on(fake: tuple[FakeAri, Ari]) -> None:
    callers = ParticipantHangup("node1", seats("c-2"), present("c-1"))
    callers.connected(fake[1])
    assert await callers.hang_up(passcode_id=PASSCODE) == 2
    assert hung_up(fake[0]) == ["channels/c-1", "channels/c-2"]
    assert {query["reason_code"] for method, _, query in fake[0].requests if method == "DELETE"} == {"21"}
    assert await callers.hang_up(passcode_id=OTHER) == 0


async def test_one_who_has_left_meanwhile_is_no_error(fake: tuple[FakeAri, Ari]) -> None:
    fake[0].answers["channels/c-1"] = (404, None)
    callers = ParticipantHangup("node1", seats("c-1", "c-2"), present())
    callers.connected(fake[1])
    assert await callers.hang_up(room_id=ROOM) == 1


async def test_without_postgres_those_in_memory_are_hung_up_on(fake: tuple[FakeAri, Ari]) -> None:
    callers = ParticipantHangup("node1", seats("c-1"), present("c-2", away=True))
    callers.connected(fake[1])
    assert await callers.hang_up(passcode_id=PASSCODE) == 1


async def test_without_the_switch_it_is_told() -> None:
    callers = ParticipantHangup("node1", seats("c-1"), present())
    with pytest.raises(AriUnreachable, match="try again"):
        await callers.hang_up(room_id=ROOM)


async def test_everybody_is_not_hung_up_on_by_mistake() -> None:
    with pytest.raises(ValueError, match="name whose"):
        await ParticipantHangup("node1", seats("c-1"), present()).hang_up()
