"""Webhook events of conferences: one for each fact that the ledger learns."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bridge.domain.errors import Conflict
from bridge.domain.metering.fold import Change
from bridge.domain.metering.records import OpenStay
from bridge.domain.provisioning.tenants import SubAccount
from bridge.domain.webhooks.event import Webhook
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.metering.ports import Position, StayFilter
from bridge.usecases.provisioning.ports import Keys
from tests.storage.conftest import NOVEMBER, stay_of
from tests.storage.metering.test_commit import SECOND, SWITCH_STATE, add_tariff, closed, commit
from tests.storage.webhooks.webhook_world import subscribe, types, waiting

A, B, C, D = (Position("file-1", offset) for offset in (10, 20, 30, 40))


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


@pytest.fixture
async def hook(database: Database, secrets: Keys, sub_account: SubAccount) -> Webhook:
    made, _ = await subscribe(database, secrets, sub_account.account_id)
    return made


def person(owner: SubAccount, number: int, seconds: float = 0.0, bridge: str = "b-1") -> OpenStay:
    """The one with that number, who joins so many seconds later."""
    stay = stay_of(owner, f"node1-1.{number}", NOVEMBER + timedelta(seconds=seconds))
    return replace(stay, identity=replace(stay.identity, bridge_id=bridge))


async def test_a_conference_of_two(
    ledger: PostgresLedger,
    database: Database,
    hook: Webhook,
    sub_account: SubAccount,
    tenants: PostgresTenants,
    tariffs: PostgresTariffs,
) -> None:
    await add_tariff(tenants, tariffs, sub_account, NOVEMBER)
    ada, bob = person(sub_account, 1), person(sub_account, 2, 10)
    await commit(ledger, None, A, ada)
    await commit(ledger, A, B, bob)
    await commit(ledger, B, C, closed(ada, 61))
    over = replace(bob, left_us=bob.identity.joined_us + 90 * SECOND)
    await commit(ledger, C, D, over)
    told = await waiting(database, hook)
    assert types(told) == ["conference.started", "participant.joined", "participant.joined", "participant.left"]
    await commit(ledger, D, Position("file-1", 50), closed(bob, 90))
    told = await waiting(database, hook)
    assert types(told)[4:] == ["participant.left", "conference.ended"]
    started, joined, _, left, _, ended = (each["data"] for each in told)
    conference_id = str(ada.conference_id)
    assert {each["data"].get("conference_id", each["data"]["id"]) for each in told} == {conference_id}
    assert (started["started_at"], started["ended_at"]) == ("2026-11-20T10:00:00.123456Z", None)
    assert (joined["id"], joined["left_at"], joined["amount"]) == (str(ada.identity.id), None, None)
    assert (joined["user_id"], joined["caller"], joined["role"]) == ("1001", "4930123456", "guest")
    assert (left["left_reason"], left["duration_us"], left["amount"], left["billed_seconds"]) == (
        "hung_up",
        61 * SECOND,
        "0.16",
        66,
    )
    assert (ended["started_at"], ended["ended_at"], ended["stays"]) == (
        "2026-11-20T10:00:00.123456Z",
        "2026-11-20T10:01:40.123456Z",
        2,
    )
    [record] = [stay for stay in await PostgresMinutes(database).stays(StayFilter(), 10) if str(stay.id) == left["id"]]
    assert (left["duration_us"], left["evidence"]) == (record.duration_us, record.evidence)


async def test_all_of_it_in_one_commit(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount
) -> None:
    ada, bob, eve = person(sub_account, 1), person(sub_account, 2, 10), person(sub_account, 3, 300, "b-2")
    changes = (ada, bob, closed(bob, 20), closed(ada, 61), eve, closed(eve, 5))
    await commit(ledger, None, A, *changes)
    told = await waiting(database, hook)
    first = [each for each in told if str(ada.conference_id) in str(each)]
    assert types(first) == [
        "conference.started",
        "participant.joined",
        "participant.joined",
        "participant.left",
        "participant.left",
        "conference.ended",
    ]
    assert [each["data"]["id"] for each in first[1:5]] == [str(stay.identity.id) for stay in (ada, bob, bob, ada)]
    assert first[1]["data"]["left_at"] is None
    assert len({each["id"] for each in told}) == len(told) == 10


async def test_a_commit_that_is_repeated_or_refused_tells_nothing(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount
) -> None:
    ada = person(sub_account, 1)
    for _ in range(3):
        await commit(ledger, None, A, ada)
    with pytest.raises(Conflict):
        await commit(ledger, C, D, person(sub_account, 2))
    for _ in range(3):
        await commit(ledger, A, B, closed(ada))
    assert len(await waiting(database, hook)) == 4


async def test_lines_that_are_read_again_tell_nothing_again(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount
) -> None:
    ada, bob = person(sub_account, 1), person(sub_account, 2, 1)
    await commit(ledger, None, A, ada, bob)
    await commit(ledger, A, B, closed(ada))
    before = await waiting(database, hook)
    await commit(ledger, B, C, ada, bob)
    await commit(ledger, C, D, closed(ada, 99))
    assert await waiting(database, hook) == before


async def test_a_commit_that_fails_tells_nothing(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE incidents ADD CONSTRAINT none CHECK (false)"))
    ada = person(sub_account, 1)
    nobodys = replace(closed(ada), stay=replace(ada, sub_account_id=str(sub_account.account_id)))
    with pytest.raises(Exception, match="removed"):
        await commit(ledger, None, A, nobodys)
    assert await waiting(database, hook) == []


async def test_without_webhooks_nothing_is_written(
    ledger: PostgresLedger, database: Database, sub_account: SubAccount, secrets: Keys
) -> None:
    await subscribe(database, secrets, sub_account.account_id, "passcode.created")
    await commit(ledger, None, A, person(sub_account, 1), closed(person(sub_account, 1)))
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM webhook_deliveries")) == 0


async def test_somebody_who_is_found_late_ends_the_conference_once_more(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount
) -> None:
    await commit(ledger, None, A, closed(person(sub_account, 1)))
    await commit(ledger, A, B, closed(person(sub_account, 2, 5), 7))
    told = await waiting(database, hook)
    assert types(told) == [
        *("conference.started", "participant.joined", "participant.left", "conference.ended"),
        *("participant.joined", "participant.left", "conference.ended"),
    ]
    assert [each["data"]["stays"] for each in told if each["type"] == "conference.ended"] == [1, 2]
    assert len({each["id"] for each in told}) == 7


async def test_a_stay_that_nobody_owns_is_told_to_the_operator_alone(
    ledger: PostgresLedger, database: Database, hook: Webhook, sub_account: SubAccount, secrets: Keys
) -> None:
    operators, _ = await subscribe(database, secrets, None)
    stranger = replace(person(sub_account, 1), account_id="none", sub_account_id="none")
    await commit(ledger, None, A, stranger)
    assert await waiting(database, hook) == []
    assert types(await waiting(database, operators)) == ["conference.started", "participant.joined"]


nodes = itertools.count(1)
people = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=people, cuts=st.sets(st.integers(1, 11)), again=st.integers(0, 3))
async def test_however_the_journal_is_cut_into_commits_the_same_is_told(
    people: Sequence[tuple[int, int, int]],
    cuts: set[int],
    again: int,
    database: Database,
    secrets: Keys,
    sub_account: SubAccount,
) -> None:
    # Each example is a node of its own: a new database would take longer than all of them.
    node = f"node-{next(nodes)}"
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM webhooks"))
    hook, _ = await subscribe(database, secrets, sub_account.account_id)
    ledger = PostgresLedger(database)
    steps: list[tuple[float, Change]] = []
    for number, (room, begins, lasts) in enumerate(people):
        stay = person(sub_account, number, begins, f"b-{room}")
        stay = replace(stay, identity=replace(stay.identity, node=node))
        steps += [(begins, stay), (begins + lasts, closed(stay, lasts))]
    steps.sort(key=lambda step: step[0])
    changes = [change for _, change in steps]
    bounds = sorted({0, len(changes), *(cut for cut in cuts if cut < len(changes))})
    place: Position | None = None
    for start, end in itertools.pairwise(bounds):
        after = Position("file-1", end)
        # Some lines are read again, as after a restart.
        await ledger.commit(node, place, after, SWITCH_STATE, changes[max(0, start - again) : end])
        place = after
    told = await waiting(database, hook)
    lanes: dict[str, list[dict[str, Any]]] = {}
    for each in told:
        conference = each["data"].get("conference_id") or each["data"]["id"]
        lanes.setdefault(conference, []).append(each)
    for each in lanes.values():
        inside: set[str] = set()
        for one in each:
            if one["type"] == "participant.joined":
                assert one["data"]["id"] not in inside
                inside.add(one["data"]["id"])
            elif one["type"] == "participant.left":
                inside.remove(one["data"]["id"])
        assert inside == set()
        assert types(each)[0] == "conference.started"
        assert types(each).count("conference.started") == 1
        assert types(each)[-1] == "conference.ended"
    ids = {str(change.identity.id) for change in changes if isinstance(change, OpenStay)}
    for kind in ("participant.joined", "participant.left"):
        heard = [one["data"]["id"] for one in told if one["type"] == kind]
        assert sorted(heard) == sorted(ids)
