import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.asterisk.ami import client
from bridge.asterisk.ami import events as ami_events
from bridge.asterisk.ami.client import AmiFailed, AmiLogin, AmiRefused, AmiUnreachable
from bridge.asterisk.ami.live_rooms import AmiLiveRooms
from bridge.domain.errors import Unavailable
from bridge.usecases.conference.ports import LiveView
from tests.asterisk.ami.fake_ami import FakeAmi, running

JOIN = (
    "Event: ConfbridgeJoin\r\nTimestamp: 1795438312.441120\r\nConference: r-1\r\nUniqueid: n-1.2\r\nAdmin: Yes\r\n"
    "Channel: PJSIP/trunk-1\r\nCallerIDNum: 4930123456\r\nMuted: No\r\n\r\n"
)


@pytest.fixture
async def wire() -> AsyncIterator[tuple[FakeAmi, AmiLogin]]:
    async with running() as pair:
        yield pair


async def test_a_wrong_password_is_told_by_name(wire: tuple[FakeAmi, AmiLogin]) -> None:
    _, login = wire
    with pytest.raises(AmiRefused, match="BRIDGE_AMI_PASSWORD"):
        async with client.ami_connection(AmiLogin(login.host, login.port, "bridge", "wrong")):
            pass


async def test_nobody_there_is_told_with_the_address() -> None:
    with pytest.raises(AmiUnreachable, match="127.0.0.1:9"):
        async with client.ami_connection(AmiLogin("127.0.0.1", 9, "bridge", "right")):
            pass


async def test_an_error_is_asterisks_own_word(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    fake.answers["ConfbridgeKick"] = "Response: Error\r\nMessage: No Conference by that name found.\r\n"
    async with client.ami_connection(login) as session:
        with pytest.raises(AmiFailed, match="No Conference by that name found"):
            await session.action("ConfbridgeKick", Conference="r-1", Channel="all")


async def test_a_silent_peer_is_noticed(wire: tuple[FakeAmi, AmiLogin], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, login = wire
    monkeypatch.setattr(client, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(client, "PING_S", 0.01)
    async with client.ami_connection(login) as session:
        fake.mute = True
        with pytest.raises(AmiUnreachable, match="Ping"):
            await session.watch()


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\x00"])
async def test_no_value_makes_another_header(wire: tuple[FakeAmi, AmiLogin], value: str) -> None:
    fake, login = wire
    async with client.ami_connection(login) as session:
        with pytest.raises(ValueError, match="control characters"):
            await session.action("ConfbridgeKick", Conference=value)
        assert [action["Action"] for action in fake.actions] == ["Login"]


async def test_a_lost_connection_ends_the_events_and_nothing_reconnects(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    async with client.ami_connection(login) as session:
        fake.writers[0].close()
        with pytest.raises(AmiUnreachable):
            async for _ in session.events():
                pass
    assert len(fake.writers) == 1


async def test_events_come_in_order_even_split_over_segments(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    raw = JOIN.encode() + b"Event: ConfbridgeTalking\r\nConference: r-1\r\nUniqueid: n-1.2\r\nTalkingStatus: on\r\n\r\n"
    fake.events = [raw[:50], raw[50:51], raw[51:]]
    async with client.ami_connection(login) as session, asyncio.timeout(20):
        events = session.events()
        first, second = await anext(events), await anext(events)
    assert isinstance(first, ami_events.ParticipantJoined)
    assert isinstance(second, ami_events.ParticipantTalking)


async def test_the_live_view_learns_who_is_there_and_follows(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    fake.answers["ConfbridgeListRooms"] = (
        "Response: Success\r\nEventList: start\r\n\r\nEvent: ConfbridgeListRooms\r\nConference: r-0\r\n\r\n"
        "Event: ConfbridgeListRoomsComplete\r\nEventList: Complete\r\n"
    )
    fake.answers["ConfbridgeList"] = (
        "Response: Success\r\nEventList: start\r\n\r\nEvent: ConfbridgeList\r\nConference: r-0\r\nUniqueid: n-1.1\r\n"
        "Timestamp: 1795438312.0\r\nAnsweredTime: 12\r\nAdmin: No\r\nMuted: Yes\r\n\r\n"
        "Event: ConfbridgeListComplete\r\nEventList: Complete\r\n"
    )
    fake.events = [JOIN.encode()]
    rooms = AmiLiveRooms("node1")
    async with client.ami_connection(login) as session:
        following = asyncio.create_task(rooms.follow(session))
        async with asyncio.timeout(20):
            while rooms.participants < 2:
                await asyncio.sleep(0)
        assert [(c.room_id, c.participants[0].role, c.participants[0].muted) for c in rooms.view().conferences] == [
            ("r-0", "guest", True),
            ("r-1", "host", False),
        ]
        following.cancel()
        await asyncio.wait([following])
    assert rooms.participants == 0


def test_a_role_is_what_the_dialplan_says_and_else_what_confbridge_makes_of_it() -> None:
    told = {"event": "ConfbridgeJoin", "conference": "r-1", "uniqueid": "n-1.1", "admin": "No"}
    listener = ami_events.parse({**told, "chanvariable": "BRIDGE_ROLE=listener"})
    assert isinstance(listener, ami_events.ParticipantJoined)
    assert listener.role == "listener"
    strange = ami_events.parse({**told, "chanvariable": "BRIDGE_ROLE=", "admin": "Yes"})
    assert isinstance(strange, ami_events.ParticipantJoined)
    assert strange.role == "host"


def test_who_leaves_is_told() -> None:
    left: list[str] = []
    AmiLiveRooms("node1", left.append).apply(ami_events.ParticipantLeft("r-1", "n-1.1"))
    assert left == ["n-1.1"]


async def test_no_conferences_is_an_error_to_ami_and_none_to_us(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    fake.answers["ConfbridgeListRooms"] = "Response: Error\r\nMessage: No active conferences.\r\n"
    rooms, known = AmiLiveRooms("node1"), asyncio.Event()
    with pytest.raises(Unavailable, match="node1"):
        rooms.view()
    async with client.ami_connection(login) as session:
        following = asyncio.create_task(rooms.follow(session, known.set))
        async with asyncio.timeout(20):
            while not known.is_set():
                await asyncio.sleep(0)
        assert rooms.view() == LiveView(())
        following.cancel()
        await asyncio.wait([following])
    with pytest.raises(Unavailable, match="node1"):
        rooms.view()


async def test_what_ami_refuses_to_list_is_not_taken_for_empty(wire: tuple[FakeAmi, AmiLogin]) -> None:
    fake, login = wire
    fake.answers["ConfbridgeListRooms"] = "Response: Error\r\nMessage: Permission denied\r\n"
    rooms = AmiLiveRooms("node1")
    async with client.ami_connection(login) as session:
        with pytest.raises(AmiUnreachable, match="Permission denied"):
            await rooms.follow(session, lambda: pytest.fail("nothing is known"))
    with pytest.raises(Unavailable, match="node1"):
        rooms.view()
