"""API keys: created, used, rotated and revoked, each by permitted keys only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bridge.domain.access import api_key
from bridge.domain.admission.grant import RoomOwner
from bridge.storage.access.api_keys import PostgresApiKeys
from bridge.storage.postgres.tables.access import api_keys
from bridge.storage.postgres.tables.provisioning import accounts, sub_accounts
from tests.api.conftest import NOBODY, Api, World, rfc3339
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms, conference_of_one

KEYS = "/v1/api-keys"


async def made(api: Api, **wanted: Any) -> Any:
    return await api.post(KEYS, {"name": "tests", **wanted})


async def account_key(api: Api, account: Any, **wanted: Any) -> Api:
    key = await made(api, scope="account", account_id=account["id"], **wanted)
    return api.with_key(key["key"])


async def test_a_key_is_shown_once_and_kept_as_a_hash(api: Api, world: World, account: Any) -> None:
    key = await made(api, scope="account", account_id=account["id"], name="payroll")
    assert key["key"].startswith("bk_")
    assert (len(key["key"]), key["hint"]) == (46, key["key"][:8])
    assert (key["account_id"], key["sub_account_id"], key["read_only"]) == (account["id"], None, False)
    [listed] = await api.all(KEYS)
    assert listed == {**key, "key": None} == await api.get(f"{KEYS}/{key['id']}")
    async with world.database.transaction() as connection:
        [row] = (await connection.execute(select(api_keys))).all()
    assert key["key"] not in str(row)


async def test_each_scope_needs_its_owner(api: Api, account: Any, sub_account: Any) -> None:
    for body, pointer in (
        ({"scope": "operator", "account_id": account["id"]}, "/account_id"),
        ({"scope": "account"}, "/account_id"),
        ({"scope": "account", "account_id": account["id"], "sub_account_id": sub_account["id"]}, "/sub_account_id"),
        ({"scope": "sub_account", "account_id": account["id"]}, "/sub_account_id"),
        ({"scope": "operator", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"scope": "operator", "name": "a\nb"}, "/name"),
    ):
        problem = await api.refused(422, "POST", KEYS, {"name": "x", **body})
        assert problem["errors"][0]["pointer"] == pointer
    for body in ({"scope": "account", "account_id": NOBODY}, {"scope": "sub_account", "sub_account_id": NOBODY}):
        await api.refused(404, "POST", KEYS, {"name": "x", **body})
    key = await made(api, scope="sub_account", sub_account_id=sub_account["id"])
    assert (key["account_id"], key["sub_account_id"]) == (account["id"], sub_account["id"])


async def test_what_is_used_is_told_to_within_a_minute(api: Api, account: Any) -> None:
    key = await made(api, scope="account", account_id=account["id"])
    tenant = api.with_key(key["key"])
    assert key["last_used_at"] is None
    await tenant.get(KEYS)
    used = (await api.get(f"{KEYS}/{key['id']}"))["last_used_at"]
    assert used is not None
    await tenant.get(KEYS)
    assert (await api.get(f"{KEYS}/{key['id']}"))["last_used_at"] == used


async def test_a_revoked_key_is_good_for_nothing_at_once(api: Api, account: Any) -> None:
    key = await made(api, scope="account", account_id=account["id"])
    tenant = api.with_key(key["key"])
    await tenant.get(KEYS)
    for _ in range(2):
        assert (await api("DELETE", f"{KEYS}/{key['id']}")).status == 204
    revoked = await tenant.refused(401, "GET", KEYS)
    assert revoked == await api.with_key("bk_" + "A" * 43).refused(401, "GET", KEYS)
    assert revoked == await api.with_key("none").refused(401, "GET", KEYS)
    assert (await api.get(f"{KEYS}/{key['id']}"))["revoked_at"] is not None


@pytest.mark.parametrize("table", [accounts, sub_accounts], ids=lambda table: table.name)
async def test_keys_of_a_suspended_owner_read_and_of_a_closed_one_do_nothing(
    api: Api, world: World, sub_account: Any, table: Any
) -> None:
    key = await made(api, scope="sub_account", sub_account_id=sub_account["id"])
    tenant, digest = api.with_key(key["key"]), api_key.digest(key["key"])
    assert digest is not None
    for state, status, read_only in (("active", 200, False), ("suspended", 200, True), ("closed", 401, None)):
        async with world.database.transaction() as connection:
            await connection.execute(update(table).values(state=state))
        assert (await tenant("GET", "/v1/minutes")).status == status
        asking = await PostgresApiKeys(world.database).principal(digest)
        assert (asking and asking.read_only) == read_only


async def test_a_key_that_may_read_changes_nothing(api: Api, account: Any) -> None:
    tenant = await account_key(api, account, read_only=True)
    await tenant.get(KEYS)
    await tenant.refused(403, "POST", KEYS, {"scope": "account", "name": "x"})
    await tenant.refused(403, "DELETE", f"{KEYS}/{NOBODY}")


async def test_a_closed_owner_gets_no_key(api: Api, world: World, sub_account: Any) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(update(accounts).values(state="closed"))
    await api.refused(409, "POST", KEYS, {"scope": "sub_account", "sub_account_id": sub_account["id"], "name": "x"})


async def test_an_account_makes_keys_of_itself_and_what_is_below(api: Api, account: Any, sub_account: Any) -> None:
    tenant = await account_key(api, account)
    other = await api.post("/v1/accounts", {"name": "Other", "currency": "EUR", "time_zone": "UTC"})
    own = await made(tenant, scope="account")
    assert own["account_id"] == account["id"]
    below = await made(tenant, scope="sub_account", sub_account_id=sub_account["id"])
    assert {key["id"] for key in await tenant.all(KEYS, sub_account_id=sub_account["id"])} == {below["id"]}
    await tenant.refused(403, "POST", KEYS, {"scope": "operator", "name": "x"})
    await tenant.refused(404, "POST", KEYS, {"scope": "account", "account_id": other["id"], "name": "x"})
    await tenant.refused(404, "POST", KEYS, {"scope": "account", "account_id": NOBODY, "name": "x"})
    user = api.with_key(below["key"])
    await user.refused(403, "POST", KEYS, {"scope": "sub_account", "sub_account_id": sub_account["id"], "name": "x"})
    assert len(await tenant.all(KEYS)) == 3
    operators = await made(api, scope="operator")
    for method, path in (
        ("GET", f"{KEYS}/{operators['id']}"),
        ("DELETE", f"{KEYS}/{operators['id']}"),
        ("POST", f"{KEYS}/{operators['id']}/rotate"),
    ):
        assert await tenant.refused(404, method, path) == await tenant.refused(
            404, method, path.replace(operators["id"], NOBODY)
        )


async def test_no_key_makes_one_that_lasts_longer(api: Api, account: Any) -> None:
    end = datetime.now(UTC) + timedelta(days=1)
    tenant = await account_key(api, account, expires_at=rfc3339(end))
    eternal = await made(api, scope="account", account_id=account["id"])
    for expires_at in ({}, {"expires_at": rfc3339(end + timedelta(seconds=1))}):
        await tenant.refused(422, "POST", KEYS, {"scope": "account", "name": "x", **expires_at})
    await tenant.refused(422, "POST", f"{KEYS}/{eternal['id']}/rotate")
    assert (await made(tenant, scope="account", expires_at=rfc3339(end)))["expires_at"] == rfc3339(end)


async def test_an_expired_key_is_an_unknown_one(api: Api, world: World, account: Any) -> None:
    tenant = await account_key(api, account, expires_at=rfc3339(datetime.now(UTC) + timedelta(days=1)))
    await tenant.get(KEYS)
    async with world.database.transaction() as connection:
        await connection.execute(update(api_keys).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert await tenant.refused(401, "GET", KEYS) == await api.with_key("x").refused(401, "GET", KEYS)


async def test_a_key_is_rotated_with_or_without_overlap(api: Api, account: Any) -> None:
    first = await made(api, scope="account", account_id=account["id"], read_only=True)
    second = await api.post(f"{KEYS}/{first['id']}/rotate", None)
    assert (second["replaces"], second["read_only"], second["name"]) == (first["id"], True, "tests")
    assert (await api.with_key(first["key"])("GET", KEYS)).status == 401
    third = await api.post(f"{KEYS}/{second['id']}/rotate", {"overlap_s": 3600})
    for key in (second, third):
        assert (await api.with_key(key["key"])("GET", KEYS)).status == 200
    until = datetime.fromisoformat((await api.get(f"{KEYS}/{second['id']}"))["expires_at"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
    await api.refused(409, "POST", f"{KEYS}/{first['id']}/rotate")
    await api.refused(422, "POST", f"{KEYS}/{third['id']}/rotate", {"overlap_s": 7 * 86400 + 1})
    await api.refused(422, "POST", f"{KEYS}/{third['id']}/rotate", {"overlap_s": "60"})


async def test_lists_are_narrowed_to_what_is_theirs(
    api: Api, account: Any, sub_account: Any, rooms: FakeLiveRooms, directory: FakeFreshness
) -> None:
    other = await api.post("/v1/accounts", {"name": "Other", "currency": "EUR", "time_zone": "UTC"})
    theirs = await api.post(f"/v1/accounts/{other['id']}/sub-accounts", {"user_id": "1", "name": "x"})
    tenant = await account_key(api, account)
    user = api.with_key((await made(api, scope="sub_account", sub_account_id=sub_account["id"]))["key"])
    now = datetime.now(UTC)
    for owner in (sub_account, theirs):
        room = owner["rooms"][0]["id"]
        directory.owners[room] = RoomOwner(owner["account_id"], owner["id"])
        rooms.conferences.append(conference_of_one(room, now))
    rooms.conferences.append(conference_of_one("stray", now))
    assert len(await api.all("/v1/conferences")) == 3
    for asking in (tenant, user):
        assert [room["room_id"] for room in await asking.all("/v1/conferences")] == [sub_account["rooms"][0]["id"]]
    tariff = {"per_minute": "1", "effective_from": "2026-11-01T00:00:00Z"}
    for each in (account, other):
        await api.post("/v1/tariffs", {"account_id": each["id"], **tariff})
    await tenant.refused(403, "POST", "/v1/tariffs", {"account_id": account["id"], **tariff})
    assert [found["account_id"] for found in await tenant.all("/v1/tariffs")] == [account["id"]]
    [bill] = await tenant.all("/v1/statements", period="2026-11")
    assert bill["account_id"] == account["id"]
    for path in ("/v1/tariffs", "/v1/statements?period=2026-11"):
        await user.refused(403, "GET", path)
    for name, named in (("account_id", other["id"]), ("sub_account_id", theirs["id"]), ("account_id", NOBODY)):
        await tenant.refused(404, "GET", f"/v1/minutes?{name}={named}")
        await user.refused(404, "GET", f"/v1/minutes?{name}={named}")
    assert await user.get("/v1/minutes", account_id=account["id"]) == {"items": [], "next_cursor": None}


async def test_the_audit_log_tells_an_account_of_its_own(api: Api, account: Any) -> None:
    before = datetime.now(UTC)
    tenant = await account_key(api, account)
    mine = await made(tenant, scope="account")
    await made(api, scope="operator")
    await tenant("DELETE", f"{KEYS}/{mine['id']}")
    every = await api.all("/v1/audit-log", subject="api_key")
    assert [deed["action"] for deed in every] == ["api_key.created"] * 3 + ["api_key.revoked"]
    assert [deed["remote"] for deed in every] == ["127.0.0.1"] * 4
    assert {deed["actor"] for deed in every[0::2]} == {"operator"}
    seen = await tenant.all("/v1/audit-log", subject="api_key")
    assert [deed["id"] for deed in seen] == [every[number]["id"] for number in (0, 1, 3)]
    assert [deed["remote"] for deed in seen] == ["", "127.0.0.1", "127.0.0.1"]
    actor = every[1]["actor"]
    assert UUID(actor)
    assert [deed["subject_id"] for deed in await api.all("/v1/audit-log", actor=actor)] == [mine["id"]] * 2
    assert len(await api.all("/v1/audit-log", action="api_key.revoked", subject_id=mine["id"])) == 1
    assert await api.all("/v1/audit-log", subject="api_key", to=rfc3339(before)) == []
    assert len(await api.all("/v1/audit-log", **{"from": every[3]["created_at"]})) == 1
    await tenant.refused(404, "GET", f"/v1/audit-log?account_id={NOBODY}")
