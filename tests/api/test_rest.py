import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from conftest_api import Client, FakeDirectory, FakeRooms

from bridge.api import handlers, openapi
from bridge.usecases.ports import LiveConference, LiveParticipant

NOBODY = "00000000-0000-4000-8000-000000000000"


async def account(client: Client, currency: str = "USD") -> dict[str, Any]:
    body = {"name": "Northwind", "currency": currency, "time_zone": "America/New_York"}
    made: dict[str, Any] = await client.post("/v1/accounts", body)
    return made


async def sub_account(client: Client, user_id: str = "e-1", **more: Any) -> dict[str, Any]:
    owner = await account(client)
    body = {"user_id": user_id, "name": "Ada", **more}
    made: dict[str, Any] = await client.post(f"/v1/accounts/{owner['id']}/sub-accounts", body)
    return made


async def test_an_account_is_made_and_read(client: Client) -> None:
    made = await account(client)
    assert await client.get(f"/v1/accounts/{made['id']}") == made
    assert (made["currency"], made["state"]) == ("USD", "active")


async def test_a_sub_account_comes_with_a_room_and_two_passcodes(client: Client, directory: FakeDirectory) -> None:
    made = await sub_account(client)
    [room] = made["rooms"]
    codes = {passcode["role"]: passcode["digits"] for passcode in room["passcodes"]}
    assert set(codes) == {"host", "guest"}
    assert all(digits.isdecimal() and len(digits) >= 6 for digits in codes.values())
    assert directory.caught_up == 1
    again = await client.get(f"/v1/sub-accounts/{made['id']}")
    assert [passcode["digits"] for passcode in again["rooms"][0]["passcodes"]] == [None, None]
    listed = await client.get(f"/v1/accounts/{made['account_id']}/sub-accounts")
    assert [item["id"] for item in listed["items"]] == [made["id"]]


async def test_a_user_id_is_unique_within_its_account(client: Client) -> None:
    made = await sub_account(client)
    path = f"/v1/accounts/{made['account_id']}/sub-accounts"
    await client.post(path, {"user_id": "e-1", "name": "Somebody else"}, 409)
    await client.post(path, {"user_id": "e-2", "name": "Somebody else"}, 201)
    await sub_account(client, "e-1")


async def test_passcodes_are_added_chosen_listed_and_revoked(client: Client, directory: FakeDirectory) -> None:
    room = (await sub_account(client))["rooms"][0]["id"]
    path = f"/v1/rooms/{room}/passcodes"
    made = await client.post(path, {"role": "guest"})
    chosen = await client.post(path, {"role": "host", "digits": "7418529637418520"})
    assert chosen["digits"] == "7418529637418520"
    listed = await client.get(path)
    assert len(listed["items"]) == 4
    assert {item["digits"] for item in listed["items"]} == {None}
    for _ in range(2):
        await client.ask("DELETE", f"/v1/passcodes/{made['id']}", 204)
    assert (await client.get(f"/v1/passcodes/{made['id']}"))["state"] == "revoked"
    assert directory.caught_up == 5


@pytest.mark.parametrize("digits", ["123", "1111111111", "abcdefghij", "74185296374185209", "", "1234567890"])
async def test_weak_and_malformed_codes_are_refused(client: Client, digits: str) -> None:
    room = (await sub_account(client))["rooms"][0]["id"]
    problem = await client.post(f"/v1/rooms/{room}/passcodes", {"role": "host", "digits": digits}, 422)
    assert problem["errors"][0]["pointer"] == "/digits"


async def test_a_code_that_is_taken_is_not_told_from_one_that_cannot_be(client: Client) -> None:
    room = (await sub_account(client))["rooms"][0]["id"]
    code = "7418529637415286"
    await client.post(f"/v1/rooms/{room}/passcodes", {"role": "host", "digits": code})
    problem = await client.post(f"/v1/rooms/{room}/passcodes", {"role": "host", "digits": code}, 422)
    assert "taken" not in problem["detail"]


async def test_access_numbers(client: Client) -> None:
    made = await client.post("/v1/access-numbers", {"number": "+1 (800) 555-0100", "kind": "toll_free"})
    assert made["number"] == "18005550100"
    await client.post("/v1/access-numbers", {"number": "18005550100"}, 409)
    await client.post("/v1/access-numbers", {"number": "call me"}, 422)
    assert made in (await client.get("/v1/access-numbers"))["items"]


async def test_tariffs(client: Client) -> None:
    owner = await account(client)
    body = {"account_id": owner["id"], "per_minute": "0.049", "effective_from": "2026-11-01T00:00:00Z"}
    made = await client.post("/v1/tariffs", body)
    assert (made["per_minute"], made["effective_from"], made["decimals"]) == ("0.049", "2026-11-01T00:00:00.000000Z", 2)
    assert (await client.get(f"/v1/tariffs?account_id={owner['id']}"))["items"] == [made]
    await client.post("/v1/tariffs", body, 409)
    await client.post("/v1/tariffs", {**body, "account_id": NOBODY}, 404)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"per_minute": "-1"}, "/per_minute"),
        ({"per_minute": "NaN"}, "/per_minute"),
        ({"per_minute": "0.0000001"}, "/per_minute"),
        ({"effective_from": "2026-11-01T00:00:00"}, "/effective_from"),
        ({"first_increment_s": 0}, "/first_increment_s"),
        ({"decimals": 1}, "/decimals"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_a_bad_tariff_is_refused_by_field(client: Client, change: dict[str, Any], pointer: str) -> None:
    owner = await account(client)
    body = {"account_id": owner["id"], "per_minute": "0.05", "effective_from": "2026-11-01T00:00:00Z", **change}
    problem = await client.post("/v1/tariffs", body, 422)
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "", "currency": "USD", "time_zone": "UTC"}, 422),
        ({"name": "x" * 201, "currency": "USD", "time_zone": "UTC"}, 422),
        ({"name": "a\x00b", "currency": "USD", "time_zone": "UTC"}, 422),
        ({"name": "a\nb", "currency": "USD", "time_zone": "UTC"}, 422),
        ({"name": "x", "currency": "DEM", "time_zone": "UTC"}, 422),
        ({"name": "x", "currency": "USD", "time_zone": "../etc/passwd"}, 422),
        ({"name": "x", "currency": "USD", "time_zone": "Mars/Olympus"}, 422),
        ({"name": 7, "currency": "USD", "time_zone": "UTC"}, 422),
        ({"name": "x", "currency": "USD"}, 422),
        ([], 422),
        ("text", 422),
        (None, 415),
    ],
)
async def test_a_bad_account_is_refused_with_a_problem(client: Client, body: Any, status: int) -> None:
    problem = await client.post("/v1/accounts", body, status)
    assert problem["status"] == status
    assert problem["detail"]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b"[" * 10_000, "application/json", 400),
        (b'{"name": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * 70_000, "application/json", 413),
    ],
)
async def test_bodies_that_are_none_are_refused(client: Client, data: bytes, content_type: str, status: int) -> None:
    await client.ask("POST", "/v1/accounts", status, data=data, headers={"Content-Type": content_type})


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Basic b3A6b3A=", "Bearer operator-key-of-the-testsX"])
@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/no-such-thing", "/v1", f"/v1/accounts/{NOBODY}"])
async def test_without_the_key_nothing_is_told(client: Client, key: str, path: str) -> None:
    problem = await client.get(path, 401, headers={"Authorization": key})
    assert problem["title"] == "Unauthorized"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/accounts/{NOBODY}", 404),
        ("GET", "/v1/accounts/not-an-id", 404),
        ("GET", f"/v1/accounts/{NOBODY}/sub-accounts", 404),
        ("GET", f"/v1/sub-accounts/{NOBODY}", 404),
        ("GET", f"/v1/rooms/{NOBODY}/passcodes", 404),
        ("DELETE", f"/v1/passcodes/{NOBODY}", 404),
        ("GET", f"/v1/statements?account_id={NOBODY}&period=2026-11", 404),
        ("GET", "/v1/no-such-thing", 404),
        ("PUT", "/v1/accounts", 405),
        ("GET", "/v1/accounts?limit=0", 422),
        ("GET", "/v1/accounts?limit=501", 422),
        ("GET", "/v1/accounts?limit=many", 422),
        ("GET", "/v1/accounts?cursor=!!", 422),
        ("GET", "/v1/accounts?cursor=AAAA", 422),
        ("GET", "/v1/accounts?page=2", 422),
        ("GET", "/v1/accounts?limit=1&limit=2", 422),
        ("GET", "/v1/minutes?cursor=AAAA", 422),
        ("GET", "/v1/minutes?state=half", 422),
        ("GET", "/v1/minutes?from=yesterday", 422),
        ("GET", "/v1/minutes?caller=%27--", 422),
        ("GET", "/v1/statements?period=2026-11", 422),
        ("GET", f"/v1/statements?account_id={NOBODY}&period=2026-13x", 422),
        ("GET", "/v1/conferences?live=yes", 422),
    ],
)
async def test_what_is_not_there_or_malformed_is_a_problem(client: Client, method: str, path: str, status: int) -> None:
    problem = await client.ask(method, path, status)
    assert problem["status"] == status


async def test_lists_come_in_pages_without_a_gap(client: Client) -> None:
    made = await sub_account(client, "u0")
    path = f"/v1/accounts/{made['account_id']}/sub-accounts"
    for number in range(1, 6):
        await client.post(path, {"user_id": f"u{number}", "name": "Ada"})
    seen: list[str] = []
    cursor = ""
    while True:
        page = await client.get(f"{path}?limit=2{cursor}")
        assert len(page["items"]) <= 2
        seen += [item["user_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"u{number}" for number in range(6)]


async def test_sub_accounts_made_at_once_get_codes_of_their_own(client: Client) -> None:
    owner = await account(client)
    path = f"/v1/accounts/{owner['id']}/sub-accounts"
    made = await asyncio.gather(*(client.post(path, {"user_id": f"u{number}", "name": "Ada"}) for number in range(20)))
    digits = [passcode["digits"] for one in made for passcode in one["rooms"][0]["passcodes"]]
    assert len(digits) == 40
    assert not any(one != other and other.startswith(one) for one in digits for other in digits)
    assert len(set(digits)) == 40


async def test_an_empty_bill_is_a_bill(client: Client) -> None:
    owner = await account(client, "JPY")
    bill = (await client.get(f"/v1/statements?account_id={owner['id']}&period=2026-11"))["items"][0]
    assert (bill["lines"], bill["total"], bill["currency"], bill["state"]) == ([], "0", "JPY", "draft")


async def test_live_conferences(client: Client, rooms: FakeRooms) -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)
    someone = LiveParticipant("n-1.1", "4930123456", "host", at, muted=False, talking=True)
    rooms.conferences.append(LiveConference(str(uuid4()), at, (someone,)))
    [found] = (await client.get("/v1/conferences"))["items"]
    assert found["started_at"] == "2026-11-23T12:00:00.000005Z"
    assert found["participants"][0]["talking"]


async def test_health_readiness_and_metrics_need_no_key(client: Client, health: dict[str, tuple[bool, str]]) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/openapi.json", 200)):
        assert (await client.http.get(path)).status == status
    health["ami"] = (False, "no AMI at 127.0.0.1:5038")
    answer = await client.http.get("/readyz")
    assert answer.status == 503
    assert (await answer.json())["ami"] == {"ok": False, "detail": "no AMI at 127.0.0.1:5038"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = openapi.document(handlers.OPERATIONS, "1")
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = str(document)
    for name in document["components"]["schemas"]:
        text = text.replace(f"#/components/schemas/{name}'", "")
    assert "#/components/schemas/" not in text
