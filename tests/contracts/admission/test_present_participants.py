"""The contract of admission_ports.PresentParticipants: the fake of the hang-up's tests, and the ledger of Postgres."""

from collections.abc import AsyncIterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import OpenStay
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.domain.provisioning.changes import AccountFields, SubAccountFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.present_participants import PostgresPresentParticipants
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.admission.ports import PresentParticipants
from bridge.usecases.metering.ports import Position
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.asterisk.ari.fake_present_participants import FakePresentParticipants
from tests.storage.conftest import stay_of
from tests.storage.directory.directories import nowhere

MINE, GUEST, NEIGHBOUR, OTHER, LEFT, ELSEWHERE = (f"node1-1.{number}" for number in range(1, 7))


@dataclass(frozen=True)
class Installation:
    """Participants: two of one sub-account, by two passcodes; one of its neighbour; one of another account.

    One more has left, and one is on node2.
    """

    participants: PresentParticipants
    mine: SubAccount

    async def inside(self, node: str = "node1", **conditions: UUID) -> Set[str]:
        every: dict[str, UUID | None] = dict.fromkeys(("account_id", "sub_account_id", "room_id", "passcode_id"))
        every |= conditions
        return await self.participants.inside(
            node,
            account_id=every["account_id"],
            sub_account_id=every["sub_account_id"],
            room_id=every["room_id"],
            passcode_id=every["passcode_id"],
        )


@pytest.fixture(params=["fake", "real"])
async def installation(
    request: pytest.FixtureRequest,
    database: Database,
    tenants: PostgresTenants,
    secrets: Keys,
    sub_account: SubAccount,
) -> Installation:
    neighbour = await provision.create_sub_account(
        tenants, secrets, sub_account.account_id, SubAccountFields("1002", "Ben Hale")
    )
    account = await provision.create_account(tenants, AccountFields("Other", "EUR", "UTC"))
    other = await provision.create_sub_account(tenants, secrets, account.id, SubAccountFields("1", "Cid"))
    mine, left, elsewhere = (stay_of(sub_account, uniqueid) for uniqueid in (MINE, LEFT, ELSEWHERE))
    guest = replace(stay_of(sub_account, GUEST), passcode_id=str(sub_account.rooms[0].passcodes[1].id))
    gone = replace(left, left_us=left.identity.joined_us + 1)
    stays = [mine, guest, stay_of(neighbour, NEIGHBOUR), stay_of(other, OTHER), gone]
    on_node2 = replace(elsewhere, identity=replace(elsewhere.identity, node="node2"))
    if request.param == "fake":
        return Installation(FakePresentParticipants([*stays, on_node2]), sub_account)
    await _commit(database, "node1", stays)
    await _commit(database, "node2", [on_node2])
    return Installation(PostgresPresentParticipants(database), sub_account)


async def _commit(database: Database, node: str, stays: list[OpenStay]) -> None:
    await PostgresLedger(database).commit(node, None, Position("f", 1), SwitchState(f"{node}-0.0"), stays)


@pytest.fixture(params=["fake", "real"])
async def lost(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PresentParticipants]:
    async with nowhere(tmp_path) as away:
        yield FakePresentParticipants(away=True) if request.param == "fake" else PostgresPresentParticipants(away)


async def test_each_condition_narrows(installation: Installation) -> None:
    mine = installation.mine
    [room] = mine.rooms
    assert await installation.inside(account_id=mine.account_id) == {MINE, GUEST, NEIGHBOUR}
    assert await installation.inside(sub_account_id=mine.id) == {MINE, GUEST}
    assert await installation.inside(room_id=room.id) == {MINE, GUEST}
    assert await installation.inside(passcode_id=room.passcodes[0].id) == {MINE}
    assert await installation.inside(passcode_id=room.passcodes[1].id) == {GUEST}


async def test_every_condition_has_to_be_met(installation: Installation) -> None:
    mine = installation.mine
    passcode = mine.rooms[0].passcodes[1].id
    assert await installation.inside(account_id=mine.account_id, passcode_id=passcode) == {GUEST}
    assert await installation.inside(account_id=uuid4(), passcode_id=passcode) == set()
    assert await installation.inside(room_id=uuid4()) == set()


async def test_without_a_condition_all_of_the_node_are_meant(installation: Installation) -> None:
    assert await installation.inside() == {MINE, GUEST, NEIGHBOUR, OTHER}
    assert await installation.inside("node2") == {ELSEWHERE}
    assert await installation.inside("node3") == set()


async def test_a_ledger_that_is_away_is_unavailable(lost: PresentParticipants) -> None:
    with pytest.raises(Unavailable):
        await lost.inside("node1", account_id=uuid4(), sub_account_id=None, room_id=None, passcode_id=None)
