"""Refused entries and blocks, by REST."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from bridge.domain.admission.bucket import BucketKey, BucketKind
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.slots import CallSource
from bridge.storage.admission.attempts import PostgresRefusedEntries
from tests.api.conftest import NOBODY, Api, Lockout, World

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)


def attempt(number: int, reason: Refusal = Refusal.WRONG, account_id: str | None = None) -> RefusedEntry:
    owner = UUID(account_id) if account_id else None
    at = AT + timedelta(seconds=number)
    return RefusedEntry(
        uuid4(), at, "node1", f"c-{number}", "4930123456", "18005550100", "192.0.2.7", reason, owner, owner, owner
    )


@pytest.fixture
async def kept(world: World, account: Any) -> list[RefusedEntry]:
    made = [
        *(attempt(number) for number in range(3)),
        attempt(3, Refusal.EXPIRED, account["id"]),
        replace(attempt(4, Refusal.ROOM_FULL, str(uuid4())), caller=""),
    ]
    await PostgresRefusedEntries(world.database).add(made)
    return made


async def test_refused_entries_are_listed_in_pages_and_by_filters(
    api: Api, kept: list[RefusedEntry], account: Any
) -> None:
    page = await api.get("/v1/admission-attempts", limit=2)
    rest = await api.get("/v1/admission-attempts", limit=10, cursor=page["next_cursor"])
    assert [item["id"] for item in [*page["items"], *rest["items"]]] == [str(one.id) for one in kept]
    for query, count in (
        ({"reason": "wrong"}, 3),
        ({"caller": "4930123456"}, 4),
        ({"caller": ""}, 1),
        ({"access_number": "1"}, 0),
        ({"account_id": account["id"]}, 1),
        ({"from": "2026-11-25T10:00:01Z", "to": "2026-11-25T10:00:03Z"}, 2),
    ):
        assert len((await api.get("/v1/admission-attempts", **query))["items"]) == count, query


async def test_an_accounts_key_sees_its_own_alone(api: Api, kept: list[RefusedEntry], account: Any) -> None:
    made = await api.post("/v1/api-keys", {"name": "k", "scope": "account", "account_id": account["id"]})
    theirs = api.with_key(made["key"])
    for query in ({}, {"account_id": account["id"]}):
        [seen] = (await theirs.get("/v1/admission-attempts", **query))["items"]
        assert (seen["reason"], seen["account_id"]) == ("expired", account["id"])
    assert (await theirs("GET", f"/v1/admission-attempts?account_id={kept[4].account_id}")).status == 404
    assert (await theirs("GET", "/v1/blocks")).status == 403


@pytest.mark.parametrize("query", ["reason=none", "caller=abc", "access_number=", "from=now", "digits=1234567"])
async def test_what_makes_no_sense_is_refused(api: Api, query: str) -> None:
    assert (await api("GET", f"/v1/admission-attempts?{query}")).status == 422


def guess(lockout: Lockout, caller: str, times: int) -> CallSource:
    """Key wrong codes of nine digits, where there are 16 live ones, as long as they are judged at once."""
    source = lockout.guard.source(caller, "192.0.2.7", "18005550100")
    for _ in range(times):
        judge = lockout.guard.judge_passcode(source, {9: 16})
        assert judge.may_look(9)
        judge.wrong(9)
    return source


async def test_blocks_are_listed_and_lifted(api: Api, lockout: Lockout) -> None:
    assert (await api.get("/v1/blocks"))["items"] == []
    source = guess(lockout, "+4930123456", 10)
    [block] = (await api.get("/v1/blocks"))["items"]
    assert (block["kind"], block["value"], block["id"]) == ("caller", "+4930123456", str(source.own.id))
    assert block["left"] == pytest.approx(0, abs=0.1)
    assert 0 < block["waits_s"] <= 6
    assert block["waiting"] == 0
    assert (await api("DELETE", f"/v1/blocks/{block['id']}")).status == 204
    assert (await api.get("/v1/blocks"))["items"] == []
    assert lockout.guard.slots.left(source.own, lockout.guard.now) == 1
    [noted] = (await api.get("/v1/audit-log", action="block.lifted"))["items"]
    assert noted["detail"] == {"kind": "caller", "value": "+4930123456"}


@pytest.mark.parametrize("written", ["+49 30 123456", "004930123456", "4930123456"])
async def test_a_phone_number_is_lifted_however_it_is_written(api: Api, lockout: Lockout, written: str) -> None:
    guess(lockout, "+4930123456", 10)
    assert (await api("POST", "/v1/blocks/callers/lift", {"caller": written})).status == 204
    assert (await api.get("/v1/blocks"))["items"] == []
    # One that does not wait may be lifted too.
    assert (await api("POST", "/v1/blocks/callers/lift", {"caller": written})).status == 204


@pytest.mark.parametrize("caller", ["", "anonymous", "266696687"])
async def test_what_is_no_phone_number_cannot_be_lifted(api: Api, caller: str) -> None:
    answer = await api("POST", "/v1/blocks/callers/lift", {"caller": caller})
    assert answer.status == 422


async def test_what_the_whole_installation_may_guess_cannot_be_filled_by_hand(api: Api, lockout: Lockout) -> None:
    judge = lockout.guard.judge_passcode(lockout.guard.source("+4930123456", "192.0.2.7", "18005550100"), {4: 10})
    assert not judge.may_look(4)
    assert not judge.has_slot()
    [block] = (await api.get("/v1/blocks"))["items"]
    assert (block["kind"], block["waiting"]) == ("installation", 1)
    assert (await api("DELETE", f"/v1/blocks/{block['id']}")).status == 404
    judge.gone(4)
    assert (await api.get("/v1/blocks"))["items"] == []


async def test_a_block_that_is_not_there_cannot_be_lifted(api: Api) -> None:
    for block_id in (NOBODY, str(BucketKey(BucketKind.CALLER, "4930123456").id)):
        assert (await api("DELETE", f"/v1/blocks/{block_id}")).status == 404
