"""Malformed requests: the response is a problem document that names what is wrong, and nothing is changed."""

import asyncio
import base64
import gzip
from typing import Any

import pytest

from tests.api.conftest import NOBODY, Api

GOOD = {"name": "x", "currency": "USD", "time_zone": "UTC"}
JSON = {"Content-Type": "application/json"}


def forged(text: str) -> str:
    """A cursor as ours are, of our own choice."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "a\x9b31m"}, "/name"),
        ({"name": "a\u202eb"}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": True}, "/name"),
        ({"name": None}, "/name"),
        ({"name": ["x"]}, "/name"),
        ({"currency": "DEM"}, "/currency"),
        ({"currency": "XXXX"}, "/currency"),
        ({"currency": ""}, "/currency"),
        ({"time_zone": "../etc/passwd"}, "/time_zone"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": "America"}, "/time_zone"),
        ({"time_zone": ""}, "/time_zone"),
        ({"time_zone": "a\x00b"}, "/time_zone"),
        ({"surprise": 1}, "/surprise"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"id": NOBODY}, "/id"),
    ],
)
async def test_a_bad_account_is_refused_by_field(refusing: Api, change: dict[str, Any], pointer: str) -> None:
    before = await refusing.all("/v1/accounts", limit=500)
    problem = await refusing.refused(422, "POST", "/v1/accounts", {**GOOD, **change})
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["detail"]
    assert await refusing.all("/v1/accounts", limit=500) == before


@pytest.mark.parametrize("body", [[], "text", 7, True, [GOOD], {}, {"name": "x", "currency": "USD"}])
async def test_what_is_no_account_at_all(refusing: Api, body: Any) -> None:
    await refusing.refused(422, "POST", "/v1/accounts", body)


async def test_many_errors_are_told_up_to_a_bound(refusing: Api) -> None:
    problem = await refusing.refused(422, "POST", "/v1/accounts", {f"field{n}": n for n in range(1000)})
    assert len(problem["errors"]) == 20
    assert len(problem["detail"]) <= 1000


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"per_minute": "-1"}, "/per_minute"),
        ({"per_minute": -1}, "/per_minute"),
        ({"per_minute": "NaN"}, "/per_minute"),
        ({"per_minute": "Infinity"}, "/per_minute"),
        ({"per_minute": "1e3"}, "/per_minute"),
        ({"per_minute": "1,5"}, "/per_minute"),
        ({"per_minute": "٣"}, "/per_minute"),
        ({"per_minute": "0.0000001"}, "/per_minute"),
        ({"per_minute": "100000.01"}, "/per_minute"),
        ({"per_minute": 1e300}, "/per_minute"),
        ({"per_minute": 10**30}, "/per_minute"),
        ({"per_minute": True}, "/per_minute"),
        ({"per_minute": None}, "/per_minute"),
        ({"connect_fee": ""}, "/connect_fee"),
        ({"effective_from": "2026-11-01T00:00:00"}, "/effective_from"),
        ({"effective_from": "2026-11-01"}, "/effective_from"),
        ({"effective_from": "2026-02-30T00:00:00Z"}, "/effective_from"),
        ({"effective_from": "2026-11-01T00:00:60Z"}, "/effective_from"),
        ({"effective_from": "2026-11-01T00:00:00.1234567Z"}, "/effective_from"),
        ({"effective_from": "0001-01-01T00:00:00+14:00"}, "/effective_from"),
        ({"effective_from": "9999-12-31T23:59:59-14:00"}, "/effective_from"),
        ({"effective_from": "2026-11-01T00:00:00+99:99"}, "/effective_from"),
        ({"effective_from": 1793491200}, "/effective_from"),
        ({"effective_from": "1793491200"}, "/effective_from"),
        ({"first_increment_s": 0}, "/first_increment_s"),
        ({"first_increment_s": "60"}, "/first_increment_s"),
        ({"first_increment_s": True}, "/first_increment_s"),
        ({"first_increment_s": 6.5}, "/first_increment_s"),
        ({"next_increment_s": 3601}, "/next_increment_s"),
        ({"next_increment_s": 2**70}, "/next_increment_s"),
        ({"decimals": 1}, "/decimals"),
        ({"decimals": 7}, "/decimals"),
        ({"account_id": "1"}, "/account_id"),
        ({"account_id": "\x00"}, "/account_id"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_a_bad_tariff_is_refused_by_field(refusing: Api, change: dict[str, Any], pointer: str) -> None:
    owner = await refusing.post("/v1/accounts", GOOD)
    body = {"account_id": owner["id"], "per_minute": "0.05", "effective_from": "2026-11-01T00:00:00Z", **change}
    problem = await refusing.refused(422, "POST", "/v1/tariffs", body)
    assert {error["pointer"] for error in problem["errors"]} == {pointer}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"user_id": ""}, "/user_id"),
        ({"user_id": "x" * 65}, "/user_id"),
        ({"user_id": "a\tb"}, "/user_id"),
        ({"user_id": 7}, "/user_id"),
        ({"name": "\x07"}, "/name"),
        ({"kind": "robot"}, "/kind"),
        ({"kind": None}, "/kind"),
        ({"state": "closed"}, "/state"),
    ],
)
async def test_a_bad_sub_account_is_refused_by_field(refusing: Api, change: dict[str, Any], pointer: str) -> None:
    owner = await refusing.post("/v1/accounts", GOOD)
    path = f"/v1/accounts/{owner['id']}/sub-accounts"
    problem = await refusing.refused(422, "POST", path, {"user_id": "1", "name": "x", **change})
    assert {error["pointer"] for error in problem["errors"]} == {pointer}
    assert (await refusing.get(path))["items"] == []


@pytest.mark.parametrize("digits", ["123", "111111111", "abcdefghi", "1" * 17, "", "123456789", "٣٣٣٣٣٣٣٣", "12\x0034"])
async def test_weak_and_malformed_codes_are_refused(refusing: Api, digits: str) -> None:
    owner = await refusing.post("/v1/accounts", GOOD)
    made = await refusing.post(f"/v1/accounts/{owner['id']}/sub-accounts", {"user_id": "1", "name": "x"})
    path = f"/v1/rooms/{made['rooms'][0]['id']}/passcodes"
    problem = await refusing.refused(422, "POST", path, {"role": "host", "digits": digits})
    assert problem["errors"][0]["pointer"] == "/digits"
    await refusing.refused(422, "POST", path, {"role": "moderator"})
    await refusing.refused(422, "POST", path, {"role": "host", "digits": 815027394})


@pytest.mark.parametrize("number", ["call me", "", "+", "1" * 21, "0" * 400, "12\x00", "+49+30"])
async def test_bad_access_numbers(refusing: Api, number: str) -> None:
    problem = await refusing.refused(422, "POST", "/v1/access-numbers", {"number": number})
    assert problem["errors"][0]["pointer"] == "/number"


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b'{"name": "\\ud800"}', JSON, 400),
        (b'{"name": NaN}', JSON, 400),
        (b"[" * 10_000, JSON, 400),
        (b'{"a":' * 300 + b"1" + b"}" * 300, JSON, 400),
        (b'{"name": ' + b"9" * 5000 + b"}", JSON, 400),
        (b"{} {}", JSON, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content-Type": ""}, 415),
        (b" " * 70_000, JSON, 413),
        (gzip.compress(b" " * 50_000_000), {**JSON, "Content-Encoding": "gzip"}, 413),
        (b"no gzip", {**JSON, "Content-Encoding": "gzip"}, 400),
    ],
)
async def test_bodies_that_are_none_are_refused(refusing: Api, data: bytes, headers: Any, status: int) -> None:
    await refusing.refused(status, "POST", "/v1/accounts", data=data, headers=headers)


async def test_a_body_without_an_announced_length_is_bounded_too(refusing: Api) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b" " * 1024

    await refusing.refused(413, "POST", "/v1/accounts", data=endless(), headers=JSON)


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Basic b3A6b3A=", "Bearer operator-key-of-the-testsX"])
@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/no-such-thing", "/v1", "/v1/", f"/v1/accounts/{NOBODY}?x=1"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_without_the_key_nothing_is_told(refusing: Api, method: str, path: str, key: str) -> None:
    answer = await refusing(method, path, headers={"Authorization": key})
    assert answer.status == 401
    assert answer.body["title"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_keys_that_are_no_text(refusing: Api) -> None:
    for key in (b"\xff\xfe", "Schlüssel".encode(), b"x" * 5000):
        answer = await _raw(refusing, b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key)
        assert answer.startswith(b"HTTP/1.1 401")
    answer = await _raw(refusing, b"GET /%761/accounts HTTP/1.1\r\nHost: x")
    assert answer.startswith(b"HTTP/1.1 401")
    assert (await _raw(refusing, b"GET //v1/accounts HTTP/1.1\r\nHost: x")).startswith(b"HTTP/1.1 404")


async def _raw(refusing: Api, head: bytes) -> bytes:
    server = refusing.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(head + b"\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/accounts/{NOBODY}", 404),
        ("GET", "/v1/accounts/not-an-id", 404),
        ("GET", "/v1/accounts/%00", 404),
        ("GET", f"/v1/accounts/{NOBODY}/sub-accounts", 404),
        ("GET", f"/v1/sub-accounts/{NOBODY}", 404),
        ("GET", f"/v1/sub-accounts/{NOBODY}/rooms", 404),
        ("GET", f"/v1/rooms/{NOBODY}/passcodes", 404),
        ("GET", f"/v1/passcodes/{NOBODY}", 404),
        ("DELETE", f"/v1/passcodes/{NOBODY}", 404),
        ("DELETE", "/v1/passcodes/1", 404),
        ("GET", f"/v1/tariffs?account_id={NOBODY}", 404),
        ("GET", f"/v1/statements?account_id={NOBODY}&period=2026-11", 404),
        ("GET", "/v1/no-such-thing", 404),
        ("GET", "/v1/accounts/", 404),
        ("GET", "/", 404),
        ("PUT", "/v1/accounts", 405),
        ("POST", "/v1/minutes", 405),
        ("POST", "/openapi.json", 405),
        ("GET", "/v1/accounts?limit=0", 422),
        ("GET", "/v1/accounts?limit=501", 422),
        ("GET", "/v1/accounts?limit=many", 422),
        ("GET", "/v1/accounts?limit=" + "9" * 5000, 422),
        ("GET", "/v1/accounts?cursor=!!", 422),
        ("GET", "/v1/accounts?cursor=AAAA", 422),
        ("GET", "/v1/accounts?cursor=", 422),
        ("GET", "/v1/accounts?cursor=%00", 422),
        ("GET", "/v1/accounts?cursor=" + "A" * 201, 422),
        ("GET", "/v1/accounts?page=2", 422),
        ("GET", "/v1/accounts?limit=1&limit=2", 422),
        ("GET", f"/v1/accounts/{NOBODY}?limit=1", 404),
        ("GET", "/v1/conferences?limit=1&limit=1", 422),
        ("GET", "/v1/minutes?cursor=AAAA", 422),
        # 0001-01-01T00:00:00+14:00|… and 2026-11-20|…: times that Postgres or UTC cannot hold, or that bear no zone.
        (
            "GET",
            "/v1/minutes?cursor=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHw2ZDFjMWIxZS0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA",
            422,
        ),
        ("GET", "/v1/minutes?cursor=MjAyNi0xMS0yMHw2ZDFjMWIxZS0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA", 422),
        ("GET", "/v1/minutes?state=half", 422),
        ("GET", "/v1/minutes?from=yesterday", 422),
        ("GET", "/v1/minutes?from=0001-01-01T00:00:00%2B14:00", 422),
        ("GET", "/v1/minutes?to=9999-12-31T23:59:59-14:00", 422),
        ("GET", "/v1/minutes?joined_from=2026-11-01T00:00:00Z", 422),
        ("GET", "/v1/minutes?caller=%27--", 422),
        ("GET", "/v1/minutes?caller=1%0A", 422),
        ("GET", "/v1/minutes?caller=+4930123456", 422),
        ("GET", "/v1/admission-attempts?caller=c8oqz84zk7z", 422),
        ("GET", "/v1/minutes?caller=1%00", 422),
        ("GET", "/v1/minutes?room_id=room", 422),
        ("GET", "/v1/statements?period=2026-11", 422),
        ("GET", f"/v1/statements?account_id={NOBODY}&period=2026-13x", 422),
        ("GET", f"/v1/statements?account_id={NOBODY}", 422),
        ("GET", f"/v1/statements?account_id={NOBODY}&period=2026-11&detail=perhaps", 422),
        ("GET", "/v1/tariffs", 422),
        ("GET", "/v1/conferences?live=yes", 422),
        ("GET", "/v1/conferences?cursor=%ED%A0%80", 422),
    ],
)
async def test_what_is_not_there_or_malformed(refusing: Api, method: str, path: str, status: int) -> None:
    assert (await refusing(method, path)).status == status


@pytest.mark.parametrize("period", ["2026-13", "2026-00", "0000-01", "9999-12"])
async def test_months_that_are_none_are_named_as_the_query_has_them(api: Api, account: Any, period: str) -> None:
    path = f"/v1/statements?account_id={account['id']}&period={period}"
    problem = await api.refused(422, "GET", path)
    assert [error["pointer"] for error in problem["errors"]] == ["period"]


async def test_a_wrong_method_is_told_the_right_ones(refusing: Api) -> None:
    answer = await refusing("DELETE", "/v1/accounts")
    assert sorted(answer.headers["Allow"].split(",")) == ["GET", "POST"]


async def test_what_belongs_to_nobody_cannot_be_added_to(refusing: Api) -> None:
    await refusing.refused(404, "POST", f"/v1/accounts/{NOBODY}/sub-accounts", {"user_id": "1", "name": "x"})
    await refusing.refused(404, "POST", f"/v1/rooms/{NOBODY}/passcodes", {"role": "guest"})
    tariff = {"account_id": NOBODY, "per_minute": "1", "effective_from": "2026-11-01T00:00:00Z"}
    await refusing.refused(404, "POST", "/v1/tariffs", tariff)


async def test_strange_names_come_back_as_they_were(api: Api) -> None:
    for name in ("O'Neil; DROP TABLE accounts--", "山田 太郎", "🎉" * 100, "${jndi:ldap://x}", "<script>", "%s %n \\0"):
        made = await api.post("/v1/accounts", {"name": name, "currency": "JPY", "time_zone": "Asia/Tokyo"})
        assert (await api.get(f"/v1/accounts/{made['id']}"))["name"] == name


async def test_sub_accounts_made_at_once_get_codes_of_their_own(api: Api, account: Any) -> None:
    path = f"/v1/accounts/{account['id']}/sub-accounts"
    made = await asyncio.gather(*(api.post(path, {"user_id": f"u{number}", "name": "Ada"}) for number in range(20)))
    digits = [passcode["digits"] for one in made for passcode in one["rooms"][0]["passcodes"]]
    assert len(set(digits)) == 40
    assert not any(one != other and other.startswith(one) for one in digits for other in digits)
