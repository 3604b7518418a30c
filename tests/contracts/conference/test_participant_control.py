"""The contract of conference_ports.ParticipantControl: the fake of the API's tests, and ARI on a fake wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from bridge.asterisk.ari.client import Ari, ari_connection
from bridge.asterisk.ari.hangup import ParticipantHangup
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.seats import Seats
from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.passcode import Role
from bridge.usecases.conference.ports import ParticipantControl
from tests.api.fake_participant_control import FakeParticipantControl
from tests.asterisk.ari import fake_ari
from tests.asterisk.ari.fake_present_participants import FakePresentParticipants

ACCOUNT, OTHER_ACCOUNT = uuid4(), uuid4()
MINE, NEIGHBOUR, OTHER = uuid4(), uuid4(), uuid4()
HOST_CODE, GUEST_CODE = uuid4(), uuid4()


def ids(account: UUID, sub_account: UUID, room: UUID, passcode: UUID) -> dict[str, UUID]:
    return {"account_id": account, "sub_account_id": sub_account, "room_id": room, "passcode_id": passcode}


ROOM = uuid4()
INSIDE: Mapping[str, Mapping[str, UUID]] = {
    "n-1.1": ids(ACCOUNT, MINE, ROOM, HOST_CODE),
    "n-1.2": ids(ACCOUNT, MINE, ROOM, GUEST_CODE),
    "n-1.3": ids(ACCOUNT, MINE, uuid4(), uuid4()),
    "n-1.4": ids(ACCOUNT, NEIGHBOUR, uuid4(), uuid4()),
    "n-1.5": ids(OTHER_ACCOUNT, OTHER, uuid4(), uuid4()),
}


@dataclass(frozen=True)
class Installation:
    """Control over the participants of INSIDE."""

    control: ParticipantControl
    inside: Callable[[], Set[str]]
    """The participants whom nobody has hung up on."""
    lose: Callable[[], None]


async def _fake() -> AsyncIterator[Installation]:
    control = FakeParticipantControl(dict(INSIDE))

    def lose() -> None:
        control.away = True

    yield Installation(control, lambda: set(control.inside), lose)


async def _real() -> AsyncIterator[Installation]:
    async with fake_ari.running() as (wire, login), ari_connection(login) as ari:
        reading = asyncio.create_task(_read(ari))
        seats = Seats(lambda _: None)
        for uniqueid, of in INSIDE.items():
            texts = [str(of[name]) for name in ("passcode_id", "account_id", "sub_account_id", "room_id")]
            seats.take(uniqueid, Grant(texts[0], texts[1], texts[2], texts[3], Role.GUEST), 0)
        control = ParticipantHangup("node1", seats, FakePresentParticipants())
        control.connected(ari)

        def inside() -> Set[str]:
            ended = {uri.removeprefix("channels/") for method, uri, _ in wire.requests if method == "DELETE"}
            # As Asterisk does: a channel that has ended is not found again.
            wire.answers |= {f"channels/{uniqueid}": (404, None) for uniqueid in ended}
            return set(INSIDE) - ended

        yield Installation(control, inside, lambda: control.connected(None))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(ari: Ari) -> None:
    async for _ in ari.events():
        pass


@pytest.fixture(params=[_fake, _real], ids=["fake", "real"])
async def installation(request: pytest.FixtureRequest) -> AsyncIterator[Installation]:
    async with asyncio.timeout(10), asynccontextmanager(request.param)() as made:
        yield made


@pytest.mark.parametrize(
    ("conditions", "ended"),
    [
        ({"account_id": ACCOUNT}, {"n-1.1", "n-1.2", "n-1.3", "n-1.4"}),
        ({"sub_account_id": MINE}, {"n-1.1", "n-1.2", "n-1.3"}),
        ({"room_id": ROOM}, {"n-1.1", "n-1.2"}),
        ({"passcode_id": GUEST_CODE}, {"n-1.2"}),
        ({"account_id": ACCOUNT, "passcode_id": HOST_CODE}, {"n-1.1"}),
        ({"account_id": OTHER_ACCOUNT, "room_id": ROOM}, set()),
        ({"room_id": uuid4()}, set()),
    ],
)
async def test_participants_who_meet_every_condition_are_hung_up_on(
    installation: Installation, conditions: dict[str, UUID], ended: set[str]
) -> None:
    assert await installation.control.hang_up(**conditions) == len(ended)
    assert installation.inside() == set(INSIDE) - ended


async def test_those_who_have_left_meanwhile_are_not_counted(installation: Installation) -> None:
    assert await installation.control.hang_up(room_id=ROOM) == 2
    assert installation.inside() == {"n-1.3", "n-1.4", "n-1.5"}
    assert await installation.control.hang_up(room_id=ROOM) == 0
    assert await installation.control.hang_up(sub_account_id=MINE) == 1


async def test_without_a_condition_nobody_is_hung_up_on(installation: Installation) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is the implementation's own
        await installation.control.hang_up()
    assert installation.inside() == set(INSIDE)


async def test_a_switch_that_is_away_is_unavailable(installation: Installation) -> None:
    installation.lose()
    with pytest.raises(Unavailable):
        await installation.control.hang_up(room_id=ROOM)
    assert installation.inside() == set(INSIDE)
