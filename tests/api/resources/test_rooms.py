"""/v1/rooms, /v1/access-numbers, /v1/project-codes and /v1/known-callers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.domain.metering.records import OpenStay
from tests.api.conftest import Api, World
from tests.api.http.test_operations import closed, stay_of

SECOND = 1_000_000


async def keys_of(api: Api, account: Any, sub_account: Any) -> tuple[Api, Api]:
    """Clients with a key of the account and a key of the sub-account."""
    wide = await api.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "k"})
    narrow = {"scope": "sub_account", "sub_account_id": sub_account["id"], "name": "k"}
    return api.with_key(wide["key"]), api.with_key((await api.post("/v1/api-keys", narrow))["key"])


async def test_rooms(api: Api, account: Any, sub_account: Any) -> None:
    path = f"/v1/sub-accounts/{sub_account['id']}/rooms"
    wide, narrow = await keys_of(api, account, sub_account)
    made = await wide.post(path, {"name": "Board room", "max_participants": 12})
    assert [code["role"] for code in made["passcodes"]] == ["host", "guest"]
    assert all(code["digits"].isdecimal() for code in made["passcodes"])
    assert [room["id"] for room in await narrow.all(path, 1)] == [sub_account["rooms"][0]["id"], made["id"]]
    room = f"/v1/rooms/{made['id']}"
    await narrow.refused(403, "PATCH", room, {"name": "Mine"})
    changed = await wide("PATCH", room, {"max_participants": None, "name": " Small room "}, headers={"If-Match": "*"})
    assert (changed.body["max_participants"], changed.body["name"], changed.body["version"]) == (None, "Small room", 2)
    for bad in ({"max_participants": 0}, {"max_participants": 10_001}, {"name": None}, {"state": "active"}):
        await wide.refused(422, "PATCH", room, bad)
    assert (await wide("DELETE", room)).status == 204
    read = await narrow.get(room)
    assert (read["state"], read["passcodes"]) == ("closed", [])
    await wide.refused(409, "PATCH", room, {"name": "x"})
    await narrow.refused(409, "POST", f"{room}/passcodes", {"role": "guest"})


async def test_access_numbers_are_shared_or_dedicated(api: Api, account: Any, sub_account: Any) -> None:
    wide, narrow = await keys_of(api, account, sub_account)
    other = await api.post("/v1/accounts", {"name": "Other", "currency": "EUR", "time_zone": "UTC"})
    shared = await api.post("/v1/access-numbers", {"number": "4930111", "language": "fr", "greeting": "bienvenue"})
    own = await api.post("/v1/access-numbers", {"number": "4930222", "account_id": account["id"]})
    others = await api.post("/v1/access-numbers", {"number": "4930333", "account_id": other["id"]})
    assert (shared["language"], shared["greeting"], shared["account_id"]) == ("fr", "bienvenue", None)
    for mine in (wide, narrow):
        assert await mine.all("/v1/access-numbers", 1) == [shared, own]
        assert await mine.get(f"/v1/access-numbers/{shared['id']}") == shared
        await mine.refused(404, "GET", f"/v1/access-numbers/{others['id']}")
        await mine.refused(403, "POST", "/v1/access-numbers", {"number": "4930444"})
    path = f"/v1/access-numbers/{others['id']}"
    changed = await api("PATCH", path, {"account_id": None, "kind": "toll_free", "language": "sv", "greeting": ""})
    assert (changed.body["account_id"], changed.body["kind"], changed.body["version"]) == (None, "toll_free", 2)
    for bad in ({"language": "de"}, {"greeting": "../etc/passwd"}, {"number": "1"}):
        await api.refused(422, "PATCH", path, bad)
    nobody = "6d1c1b1e-0000-4000-8000-000000000000"
    await api.refused(404, "PATCH", path, {"account_id": nobody})
    problem = await api.refused(409, "POST", "/v1/access-numbers", {"number": "+49 30 111"})
    assert problem["errors"][0]["pointer"] == "/number"
    assert (await api("DELETE", path)).status == 204
    await api.refused(404, "GET", path)
    assert "access numbers" in (await api.refused(409, "DELETE", f"/v1/accounts/{account['id']}"))["detail"]


async def test_project_codes(api: Api, account: Any, sub_account: Any) -> None:
    wide, narrow = await keys_of(api, account, sub_account)
    other = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "2", "name": "Other"})
    new = {"account_id": account["id"], "name": "Harbour"}
    common = await wide.post("/v1/project-codes", {**new, "code": "4711"})
    mine = await wide.post("/v1/project-codes", {**new, "code": "4711", "sub_account_id": sub_account["id"]})
    theirs = await wide.post("/v1/project-codes", {**new, "code": "4712", "sub_account_id": other["id"]})
    problem = await wide.refused(409, "POST", "/v1/project-codes", {**new, "code": "4711"})
    assert problem["errors"][0]["pointer"] == "/code"
    for bad in ("", "12a", "1" * 17, "١٢"):
        await wide.refused(422, "POST", "/v1/project-codes", {**new, "code": bad})
    assert await wide.all("/v1/project-codes", 1) == [common, mine, theirs]
    assert await narrow.all("/v1/project-codes", 1) == [common, mine]
    assert await wide.all("/v1/project-codes", sub_account_id=other["id"]) == [theirs]
    assert await api.all("/v1/project-codes", account_id=account["id"]) == [common, mine, theirs]
    await narrow.refused(404, "GET", f"/v1/project-codes/{theirs['id']}")
    path = f"/v1/project-codes/{mine['id']}"
    await narrow.refused(403, "PATCH", path, {"name": "x"})
    assert (await wide("PATCH", path, {"name": "Bridge"})).body["name"] == "Bridge"
    assert (await wide("DELETE", path)).status == 204
    assert (await narrow.get(path))["state"] == "closed"
    assert (await wide("PATCH", path, {"state": "active"})).body["state"] == "active"
    stranger = await api.post("/v1/accounts", {"name": "S", "currency": "EUR", "time_zone": "UTC"})
    await api.refused(
        404,
        "POST",
        "/v1/project-codes",
        {**new, "account_id": stranger["id"], "code": "1", "sub_account_id": other["id"]},
    )


def calling(sub_account: Any, uniqueid: str, at: datetime) -> OpenStay:
    """A stay of a caller whose number the daemon has put into its one form."""
    return replace(stay_of(sub_account, uniqueid, at), caller="+4930123456")


async def test_known_callers_are_named_in_records_as_they_were_then(
    api: Api, account: Any, sub_account: Any, world: World
) -> None:
    path = f"/v1/sub-accounts/{sub_account['id']}/known-callers"
    _, narrow = await keys_of(api, account, sub_account)
    soon = datetime.now(UTC) + timedelta(days=1)
    before = datetime.now(UTC) - timedelta(days=1)
    await world.keep(closed(calling(sub_account, "node1-1.1", before), SECOND))
    made = await narrow.post(path, {"number": "+49 30 123456", "name": "Ada", "skips_code": True})
    assert (made["number"], made["room_id"]) == ("+4930123456", sub_account["rooms"][0]["id"])
    assert "forged" in made["warnings"][0]
    await world.keep(closed(calling(sub_account, "node1-1.2", datetime.now(UTC)), SECOND))
    problem = await narrow.refused(409, "POST", path, {"number": "4930123456", "name": "Eve"})
    assert problem["errors"][0]["pointer"] == "/number"
    one = f"/v1/known-callers/{made['id']}"
    plain = await narrow("PATCH", one, {"skips_code": False})
    assert (plain.body["warnings"], plain.body["created_at"]) == ([], made["created_at"])
    renamed = await narrow("PATCH", one, {"name": "Ada Berg"}, headers={"If-Match": plain.headers["ETag"]})
    assert (renamed.body["name"], renamed.body["version"]) == ("Ada Berg", 3)
    assert await narrow.all(path) == [renamed.body]
    await world.keep(calling(sub_account, "node1-1.3", soon))
    assert [stay["caller_name"] for stay in await narrow.all("/v1/minutes")] == [None, "Ada", "Ada Berg"]
    await narrow.refused(422, "PATCH", one, {"number": "1"})
    other = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "2", "name": "Other"})
    await api.refused(422, "PATCH", one, {"room_id": other["rooms"][0]["id"]})
    await narrow.refused(404, "PATCH", one, {"room_id": other["rooms"][0]["id"]})
    assert (await narrow("DELETE", one)).status == 204
    await narrow.refused(404, "GET", one)
    assert await narrow.all(path) == []
    assert [stay["caller_name"] for stay in await api.all("/v1/minutes")] == [None, "Ada", None]
    await narrow.post(path, {"number": "4930123456", "name": "Ada again"})
