"""Every REST operation, used as it is meant to be."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bridge.api.http import paging
from bridge.api.resources import minutes
from bridge.domain.metering.records import Evidence, Identity, MinuteRecord, OpenStay, Reason, microseconds
from bridge.usecases.conference.ports import LiveConference, LiveParticipant
from bridge.usecases.provisioning import provision
from tests.api.conftest import KEYS, Api, World
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

NOVEMBER = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
SECOND = 1_000_000


def stay_of(owner: Any, uniqueid: str, at: datetime = NOVEMBER, bridge: str = "b-1") -> OpenStay:
    """Somebody who has just joined the sub-account's room."""
    [room] = owner["rooms"]
    ids = (room["id"], owner["account_id"], owner["id"], room["passcodes"][0]["id"])
    identity = Identity("node1", uniqueid, bridge, microseconds(at))
    return OpenStay(identity, "node1-0.0", *ids, "guest", "", f"PJSIP/t-{uniqueid}", "4930123456", "18005550100")


def closed(stay: OpenStay, duration_us: int) -> MinuteRecord:
    left = stay.identity.joined_us + duration_us
    return MinuteRecord(replace(stay, left_us=left), left, Reason.HUNG_UP, Evidence.MEASURED, 0)


async def test_accounts(api: Api, account: Any) -> None:
    assert (account["name"], account["currency"], account["time_zone"]) == ("Hale & Partner", "EUR", "Europe/Berlin")
    assert await api.get(f"/v1/accounts/{account['id']}") == account
    others = [
        await api.post("/v1/accounts", {"name": f"a{number}", "currency": "jpy", "time_zone": "UTC"})
        for number in range(4)
    ]
    assert others[0]["currency"] == "JPY"
    assert await api.all("/v1/accounts") == [account, *others]
    assert await api.all("/v1/accounts", limit=500) == [account, *others]


async def test_one_call_makes_a_sub_account_that_works(
    api: Api, account: Any, world: World, directory: FakeFreshness
) -> None:
    path = f"/v1/accounts/{account['id']}/sub-accounts"
    made = await api.post(path, {"user_id": "p-4711", "name": "Harbour Bridge", "kind": "project"})
    assert (made["account_id"], made["user_id"], made["kind"]) == (account["id"], "p-4711", "project")
    [room] = made["rooms"]
    assert [passcode["role"] for passcode in room["passcodes"]] == ["host", "guest"]
    for passcode in room["passcodes"]:
        assert passcode["digits"] == await provision.reveal(world.tenants, KEYS, UUID(passcode["id"]))
        assert passcode["digits"].isdecimal()
    assert directory.caught_up == 2
    again = await api.get(f"/v1/sub-accounts/{made['id']}")
    assert [passcode["digits"] for passcode in again["rooms"][0]["passcodes"]] == [None, None]
    assert await api.all(f"/v1/sub-accounts/{made['id']}/rooms") == again["rooms"]
    other = await api.post(path, {"user_id": "sales", "name": "Sales"})
    assert other["kind"] == "employee"
    assert [found["id"] for found in await api.all(path, limit=1)] == [made["id"], other["id"]]
    await api.refused(409, "POST", path, {"user_id": "sales", "name": "Other"})


async def test_passcodes(api: Api, sub_account: Any, directory: FakeFreshness) -> None:
    room = sub_account["rooms"][0]
    path = f"/v1/rooms/{room['id']}/passcodes"
    made = await api.post(path, {"role": "guest"})
    assert made["room_id"] == room["id"]
    length = len(made["digits"])
    chosen = await api.post(path, {"role": "host", "digits": "8150273964"[:length]})
    assert chosen["digits"] == "8150273964"[:length]
    for taken in (chosen["digits"], chosen["digits"] + "4"):
        problem = await api.refused(422, "POST", path, {"role": "guest", "digits": taken})
        assert problem["errors"][0]["pointer"] == "/digits"
        assert taken not in str(problem)
    listed = await api.all(path)
    assert [found["id"] for found in listed][2:] == [made["id"], chosen["id"]]
    assert {found["digits"] for found in listed} == {None}
    before = directory.caught_up
    for _ in range(2):
        assert (await api("DELETE", f"/v1/passcodes/{made['id']}")).status == 204
    assert directory.caught_up > before
    assert (await api.get(f"/v1/passcodes/{made['id']}"))["state"] == "revoked"


async def test_access_numbers(api: Api, directory: FakeFreshness) -> None:
    made = await api.post("/v1/access-numbers", {"number": "+1 (800) 555-0100", "kind": "toll_free"})
    assert (made["number"], made["kind"]) == ("18005550100", "toll_free")
    assert directory.caught_up == 1
    other = await api.post("/v1/access-numbers", {"number": "4930123"})
    assert await api.all("/v1/access-numbers", limit=1) == [made, other]
    await api.refused(409, "POST", "/v1/access-numbers", {"number": "18005550100"})


async def test_tariffs(api: Api, account: Any) -> None:
    prices = {"per_minute": "0.049", "connect_fee": "0.02", "first_increment_s": 6, "next_increment_s": 1}
    later = await api.post(
        "/v1/tariffs",
        {"account_id": account["id"], "effective_from": "2026-11-01T00:00:00.5+01:00", **prices, "decimals": 4}
        | {"bill_estimated": True},
    )
    assert (later["effective_from"], later["per_minute"]) == ("2026-10-31T23:00:00.500000Z", "0.0490")
    first = await api.post(
        "/v1/tariffs", {"account_id": account["id"], "effective_from": "2020-01-01T00:00:00Z", "per_minute": 1}
    )
    assert (first["per_minute"], first["connect_fee"], first["decimals"]) == ("1.00", "0.00", 2)
    assert (first["bill_estimated"], later["bill_estimated"]) == (False, True)
    assert await api.all("/v1/tariffs", limit=1, account_id=account["id"]) == [first, later]
    again = {"account_id": account["id"], "effective_from": "2020-01-01T00:00:00Z", "per_minute": "2"}
    await api.refused(409, "POST", "/v1/tariffs", again)


async def test_minutes_and_every_filter(api: Api, sub_account: Any, world: World) -> None:
    owner, day = sub_account, timedelta(days=1)
    sales = await api.post(f"/v1/accounts/{owner['account_id']}/sub-accounts", {"user_id": "sales", "name": "Sales"})
    tariff = {"account_id": owner["account_id"], "effective_from": "2026-11-01T00:00:00Z", "per_minute": "0.05"}
    await api.post("/v1/tariffs", tariff)
    changes: list[OpenStay | MinuteRecord] = [
        closed(stay_of(owner, "node1-1.0", NOVEMBER - 30 * day, "b-0"), 5 * SECOND),
        closed(stay_of(owner, "node1-1.1"), 61 * SECOND),
        replace(stay_of(sales, "node1-1.2", NOVEMBER, "b-2"), caller="+4940123456"),
        stay_of(sales, "node1-1.3", NOVEMBER + day, "b-3"),
    ]
    for change in changes:
        await world.keep(change)
    everything = await api.all("/v1/minutes", limit=1)
    assert {stay["uniqueid"] for stay in everything} == {f"node1-1.{number}" for number in range(4)}
    assert [stay["joined_at"] for stay in everything] == sorted(stay["joined_at"] for stay in everything)

    async def found(**query: object) -> set[str]:
        return {stay["uniqueid"][-1] for stay in await api.all("/v1/minutes", **query)}

    assert await found(account_id=owner["account_id"]) == {"0", "1", "2", "3"}
    assert await found(account_id=sales["id"]) == set()
    assert await found(sub_account_id=owner["id"]) == {"0", "1"}
    assert await found(room_id=sales["rooms"][0]["id"]) == {"2", "3"}
    assert await found(caller="+4940123456") == {"2"}
    assert await found(caller="0049 40 123456") == {"2"}
    assert await found(state="open") == {"2", "3"}
    assert await found(state="closed") == {"0", "1"}
    assert await found(**{"from": "2026-11-20T10:00:00.123456Z", "to": "2026-11-21T10:00:00.123456Z"}) == {"1", "2"}
    [going] = await api.all("/v1/minutes", caller="+4940123456")
    assert [going[name] for name in ("left_at", "duration_us", "amount", "evidence")] == [None] * 4
    [over] = await api.all("/v1/minutes", conference_id=everything[1]["conference_id"], state="closed")
    assert {name: over[name] for name in ("joined_at", "left_at", "duration_us", "billed_seconds", "amount")} == {
        "joined_at": "2026-11-20T10:00:00.123456Z",
        "left_at": "2026-11-20T10:01:01.123456Z",
        "duration_us": 61 * SECOND,
        "billed_seconds": 120,
        "amount": "0.10",
    }
    assert (over["user_id"], over["currency"], over["left_reason"]) == ("1001", "EUR", "hung_up")
    assert (everything[0]["amount"], everything[0]["billed_seconds"]) == (None, None)


async def test_minutes_as_csv_are_those_of_json(
    api: Api, sub_account: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "LIMIT_MAX", 2)
    stays = [
        closed(stay_of(sub_account, "node1-1.0"), 61 * SECOND),
        replace(stay_of(sub_account, "node1-1.1", NOVEMBER, "b-1"), caller="+4930123456"),
        replace(stay_of(sub_account, "node1-1.2", NOVEMBER, "b-2"), caller="+1+2"),
        closed(stay_of(sub_account, "node1-1.3", NOVEMBER, "b-3"), SECOND),
    ]
    for stay in stays:
        await world.keep(stay)
    for query in ({}, {"state": "closed"}, {"caller": "123"}):
        answer = await api("GET", "/v1/minutes", headers={"Accept": "text/csv"}, params=query)
        assert (answer.status, answer.headers["Content-Disposition"]) == (200, 'attachment; filename="minutes.csv"')
        [names, *lines] = csv.reader(io.StringIO(answer.body, newline=""))
        for line, stay in zip(lines, await api.all("/v1/minutes", **query), strict=True):
            stay["caller"] = stay["caller"].replace("+1+2", "'+1+2")
            assert line == ["" if stay[name] is None else str(stay[name]) for name in names]
        assert names == list(minutes.MinuteRecordSchema.model_fields)
    everything = await api("GET", "/v1/minutes", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(everything.body, newline="")))
    assert {row["caller"] for row in rows} >= {"+4930123456", "'+1+2"}
    for paged in ("limit", "cursor"):
        given = {"headers": {"Accept": "text/csv"}, "params": {paged: "1"}}
        problem = await api.refused(422, "GET", "/v1/minutes", **given)
        assert problem["errors"][0]["pointer"] == paged


async def test_the_bill_adds_up_at_every_level(api: Api, sub_account: Any, world: World) -> None:
    account_id = sub_account["account_id"]
    sales = await api.post(f"/v1/accounts/{account_id}/sub-accounts", {"user_id": "sales", "name": "Sales"})
    price = {"per_minute": "0.049", "connect_fee": "0.0123", "first_increment_s": 1, "next_increment_s": 1}
    since = "2026-11-02T00:00:00Z"
    await api.post("/v1/tariffs", {"account_id": account_id, "effective_from": since, **price, "decimals": 4})
    for number in range(7):
        owner = sub_account if number % 3 else sales
        at = NOVEMBER + timedelta(minutes=number)
        await world.keep(closed(stay_of(owner, f"node1-1.{number}", at, f"b-{number % 4}"), number * 7_654_321))
    await world.keep(stay_of(sales, "node1-2.0"))
    await world.keep(closed(stay_of(sales, "node1-2.1", datetime(2026, 11, 1, 5, tzinfo=UTC)), SECOND))
    query = {"account_id": account_id, "period": "2026-11"}
    [bill] = await api.all("/v1/statements", **query)
    assert (bill["number"], bill["state"], bill["open"], bill["unrated"]) == (None, "draft", 1, 1)
    assert [line["user_id"] for line in bill["lines"]] == ["1001", "sales"]
    for line in bill["lines"]:
        assert line["conferences"] == len(line["detail"])
        assert line["stays"] == sum(len(conference["participants"]) for conference in line["detail"])
        _adds_up(line, line["detail"])
        for conference in line["detail"]:
            _adds_up(conference, conference["participants"])
    assert Decimal(bill["subtotal"]) == sum(Decimal(line["amount"]) for line in bill["lines"])
    parts = [Decimal(bill[name]) for name in ("subtotal", "tax", "rounding")]
    assert sum(parts) == Decimal(bill["total"]) == round(Decimal(bill["total"]), 2)
    assert parts[0] > 0
    [short] = await api.all("/v1/statements", **query, detail="false")
    assert [line.pop("detail") for line in short["lines"]] == [None, None]
    assert [{**line, "detail": None} for line in short["lines"]] == [{**line, "detail": None} for line in bill["lines"]]
    assert short["id"] == bill["id"]
    stays = {stay["id"]: stay for stay in await api.all("/v1/minutes", account_id=account_id)}
    for participant in (p for line in bill["lines"] for c in line["detail"] for p in c["participants"]):
        assert Decimal(stays[participant["id"]]["amount"]) == Decimal(participant["amount"])
    [empty] = await api.all("/v1/statements", account_id=account_id, period="2025-01")
    assert (empty["lines"], empty["total"]) == ([], "0.00")


def _adds_up(whole: Any, parts: Any) -> None:
    for name in ("duration_us", "billed_seconds"):
        assert whole[name] == sum(part[name] for part in parts)
    assert Decimal(whole["amount"]) == sum(Decimal(part["amount"]) for part in parts)


async def test_live_conferences(api: Api, rooms: FakeLiveRooms) -> None:
    assert await api.all("/v1/conferences") == []
    people = tuple(LiveParticipant(f"node1-1.{n}", "4930", "guest", NOVEMBER, n == 0, n == 1) for n in range(2))
    rooms.conferences = [LiveConference(f"room-{n}", NOVEMBER + timedelta(seconds=n % 2), people) for n in range(5)]
    found = await api.all("/v1/conferences")
    assert [live["room_id"] for live in found] == ["room-0", "room-2", "room-4", "room-1", "room-3"]
    assert found[0]["participants"][1] == {
        "uniqueid": "node1-1.1",
        "caller": "4930",
        "role": "guest",
        "joined_at": "2026-11-20T10:00:00.123456Z",
        "muted": False,
        "talking": True,
    }
    assert (await api.get("/v1/conferences"))["unknown_nodes"] == []
    rooms.unknown = ("node2",)
    assert (await api.get("/v1/conferences", limit=1))["unknown_nodes"] == ["node2"]


async def test_conferences_that_are_not_known_are_no_empty_list(api: Api, rooms: FakeLiveRooms) -> None:
    rooms.unknown = rooms.nodes
    answer = await api("GET", "/v1/conferences")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "node1" in answer.body["detail"]
