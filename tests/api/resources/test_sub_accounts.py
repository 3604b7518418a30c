"""/v1/sub-accounts: made one by one and in bulk, filtered, changed, closed, deleted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import text

from bridge.api import server
from tests.api.conftest import Api, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms
from tests.api.fake_participant_control import FakeParticipantControl
from tests.api.http.test_operations import closed, stay_of

SECOND = 1_000_000


@pytest.fixture
def callers() -> FakeParticipantControl:
    return FakeParticipantControl()


@pytest.fixture
async def api(
    world: World, directory: FakeFreshness, rooms: FakeLiveRooms, callers: FakeParticipantControl
) -> AsyncIterator[Api]:
    given = services(world, directory, rooms, participants=callers)
    async with TestClient(TestServer(server.application(given))) as client:
        yield Api(client)


async def actions(world: World) -> list[str]:
    """The actions on sub-accounts and passcodes in the audit log, in order."""
    asked = "SELECT action FROM audit_log WHERE subject IN ('sub_account', 'passcode') ORDER BY created_at, id"
    async with world.database.transaction() as connection:
        return list((await connection.execute(text(asked))).scalars())


def path_of(account: Any) -> str:
    return f"/v1/accounts/{account['id']}/sub-accounts"


async def test_all_that_can_be_said_of_one(api: Api, account: Any) -> None:
    told = {
        "user_id": " Zo\u0065\u0308 ",
        "name": "Zoë",
        "kind": "client",
        "cost_centre": "4711",
        "max_callers": 5,
        "trust_callers": True,
        "labels": {"office": "Oslo", "floor": "3"},
    }
    made = await api.post(path_of(account), told)
    assert {**told, "user_id": "Zoë"}.items() <= made.items()
    assert (made["version"], made["state"]) == (1, "active")
    assert "forged" in made["warnings"][0]
    plain = await api.post(path_of(account), {"user_id": "2", "name": "Plain"})
    assert (plain["trust_callers"], plain["warnings"], plain["labels"]) == (False, [], {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "a\u202eb"),
        ("user_id", "x" * 65),
        ("name", "   "),
        ("name", "tab\there"),
        ("max_callers", 0),
        ("max_callers", "5"),
        ("cost_centre", "c" * 65),
        ("trust_callers", 1),
        ("labels", {"Not a key": "x"}),
        ("labels", {"k": "v" * 101}),
        ("labels", {f"k{number}": "v" for number in range(21)}),
        ("kind", "robot"),
        ("colour", "red"),
    ],
)
async def test_each_bad_field_is_named(api: Api, account: Any, field: str, value: object) -> None:
    problem = await api.refused(422, "POST", path_of(account), {"user_id": "1", "name": "x", field: value})
    assert problem["errors"][0]["pointer"].startswith(f"/{field}")


async def test_lists_can_be_filtered(api: Api, account: Any) -> None:
    path = path_of(account)
    made = [
        await api.post(
            path,
            {
                "user_id": f"u{number}",
                "name": "x",
                "kind": ("employee", "project")[number % 2],
                "labels": {"office": ("Oslo", "Bergen:1")[number % 2], "n": str(number)},
            },
        )
        for number in range(5)
    ]
    ids = [one["id"] for one in made]

    async def found(**query: str) -> list[str]:
        return [one["id"] for one in await api.all(path, **query)]

    assert await found() == ids
    assert await found(user_id="u3") == [ids[3]]
    assert await found(kind="project") == [ids[1], ids[3]]
    assert await found(label="office:Oslo") == [ids[0], ids[2], ids[4]]
    assert await found(label="office:Bergen:1", kind="project") == [ids[1], ids[3]]
    assert await found(label="n:4", kind="project") == []
    patched = await api("PATCH", f"/v1/sub-accounts/{ids[0]}", {"state": "suspended", "labels": {"office": "Rome"}})
    assert patched.status == 200
    assert await found(state="suspended") == [ids[0]]
    assert await found(label="office:Oslo") == [ids[2], ids[4]]
    assert await found(label="office:Rome") == [ids[0]]
    await api.refused(422, "GET", path, params={"label": "no colon"})


async def test_many_at_once_as_json(api: Api, account: Any, directory: FakeFreshness, world: World) -> None:
    rows = [{"user_id": f"u{number}", "name": f"Person {number}", "labels": {"n": "1"}} for number in range(50)]
    before = directory.caught_up
    made = await api.post(f"{path_of(account)}/bulk", {"items": rows})
    assert directory.caught_up == before + 1
    assert [one["user_id"] for one in made["items"]] == [row["user_id"] for row in rows]
    digits = [code["digits"] for one in made["items"] for code in one["rooms"][0]["passcodes"]]
    assert len(set(digits)) == 100
    assert [one["id"] for one in await api.all(path_of(account), 20)] == [one["id"] for one in made["items"]]
    assert (await actions(world)).count("sub_account.created") == 50


async def test_many_at_once_as_csv(api: Api, account: Any) -> None:
    file = (
        "\ufeffuser_id,name,kind,max_callers,labels\r\n"
        'e-1,"Jensen, Ada",,3,office=Oslo; floor=2\r\n'
        "p-1,Bridge,project,,\r\n"
    )
    answer = await api("POST", f"{path_of(account)}/bulk", data=file.encode(), headers={"Content-Type": "text/csv"})
    assert answer.status == 201
    first, other = answer.body["items"]
    assert (first["name"], first["kind"], first["max_callers"]) == ("Jensen, Ada", "employee", 3)
    assert first["labels"] == {"office": "Oslo", "floor": "2"}
    assert (other["kind"], other["max_callers"]) == ("project", None)


async def test_many_at_once_are_made_whole_or_not_at_all(api: Api, account: Any) -> None:
    path = path_of(account)
    await api.post(path, {"user_id": "taken", "name": "x"})
    bulk = f"{path}/bulk"

    async def pointers(*rows: dict[str, Any]) -> list[str]:
        problem = await api.refused(422, "POST", bulk, {"items": list(rows)})
        return [error["pointer"] for error in problem["errors"]]

    fine = {"user_id": "a", "name": "A"}
    assert await pointers(fine, {"user_id": "taken", "name": "x"}) == ["/items/1/user_id"]
    assert await pointers(fine, {"user_id": " a", "name": "B"}, {"user_id": "c", "name": "\u202e"}) == [
        "/items/1/user_id",
        "/items/2/name",
    ]
    assert await pointers(fine, {"user_id": "c", "name": "x", "max_callers": 0}) == ["/items/1/max_callers"]
    for none in ([], [fine] * 5001):
        await api.refused(422, "POST", bulk, {"items": none})
    assert [one["user_id"] for one in await api.all(path)] == ["taken"]
    await api.post(bulk, {"items": [fine]})


async def test_changes_count_and_a_stale_one_fails(api: Api, sub_account: Any, world: World) -> None:
    path = f"/v1/sub-accounts/{sub_account['id']}"
    read = await api("GET", path)
    tag = read.headers["ETag"]
    changed = await api("PATCH", path, {"name": "Ada Berg", "user_id": "1001-b"}, headers={"If-Match": tag})
    assert (changed.status, changed.body["name"], changed.body["version"]) == (200, "Ada Berg", 2)
    assert changed.body["rooms"][0]["id"] == sub_account["rooms"][0]["id"]
    await api.refused(412, "PATCH", path, {"name": "Other"}, headers={"If-Match": tag})
    same = await api("PATCH", path, {"name": "Ada Berg"}, headers={"If-Match": changed.headers["ETag"]})
    assert same.body["version"] == 2
    assert (await api.get(path))["name"] == "Ada Berg"
    assert (await actions(world)).count("sub_account.changed") == 1


async def test_a_user_id_that_is_taken_is_named(api: Api, account: Any, sub_account: Any) -> None:
    other = await api.post(path_of(account), {"user_id": "1002", "name": "Other"})
    for method, path in (("PATCH", f"/v1/sub-accounts/{other['id']}"), ("POST", path_of(account))):
        body = {"user_id": "1001"} | ({"name": "x"} if method == "POST" else {})
        problem = await api.refused(409, method, path, body)
        assert problem["errors"][0]["pointer"] == "/user_id"


async def test_closing_is_for_good_and_revokes_the_codes(
    api: Api, sub_account: Any, callers: FakeParticipantControl, directory: FakeFreshness
) -> None:
    path = f"/v1/sub-accounts/{sub_account['id']}"
    room = sub_account["rooms"][0]
    assert (await api("PATCH", path, {"state": "suspended"}, params={"disconnect": "true"})).status == 200
    assert [str(whom["sub_account_id"]) for whom in callers.requests] == [sub_account["id"]]
    assert (await api("PATCH", path, {"state": "active"}, params={"disconnect": "true"})).status == 200
    assert len(callers.requests) == 1
    closed_now = await api("PATCH", path, {"state": "closed"})
    assert closed_now.body["state"] == "closed"
    assert closed_now.body["rooms"][0]["passcodes"] == []
    assert {code["state"] for code in await api.all(f"/v1/rooms/{room['id']}/passcodes")} == {"revoked"}
    await api.refused(409, "PATCH", path, {"state": "active"})
    await api.refused(409, "POST", f"/v1/rooms/{room['id']}/passcodes", {"role": "guest"})
    await api.refused(409, "POST", f"{path}/rooms", {"name": "another"})


async def test_only_an_unused_one_is_deleted(api: Api, account: Any, sub_account: Any, world: World) -> None:
    unused = await api.post(path_of(account), {"user_id": "2", "name": "Unused", "labels": {"a": "b"}})
    of = f"/v1/sub-accounts/{unused['id']}"
    made = await api.post(f"{of}/known-callers", {"number": "+49 (30) 123-456", "name": "Ada"})
    assert made["number"] == "+4930123456"
    for number in ("anonymous", "266696687", "0000", "c8oqz84zk7z"):
        problem = await api.refused(422, "POST", f"{of}/known-callers", {"number": number, "name": "Ada"})
        assert "withhold" in problem["detail"]
    await api.post(
        "/v1/project-codes", {"account_id": account["id"], "sub_account_id": unused["id"], "code": "1", "name": "One"}
    )
    key = {"scope": "sub_account", "sub_account_id": unused["id"], "name": "k"}
    await api.post("/v1/api-keys", key)
    assert (await api("DELETE", of)).status == 204
    await api.refused(404, "GET", of)
    await api.post(path_of(account), {"user_id": "2", "name": "Again"})
    await world.keep(closed(stay_of(sub_account, "node1-1.1"), SECOND))
    problem = await api.refused(409, "DELETE", f"/v1/sub-accounts/{sub_account['id']}")
    assert "minute records" in problem["detail"]
