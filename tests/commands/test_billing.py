"""Minutes and bills in the shell: what is printed adds up as printed."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bridge.documents.columns import width
from bridge.domain.metering.records import Evidence, Identity, MinuteRecord, OpenStay, Reason, microseconds
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.metering.ports import Position
from tests.commands.conftest import Shell

NOVEMBER = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
SECOND = 1_000_000


def stay(owner: Any, number: int, at: datetime, bridge: str) -> OpenStay:
    [room] = owner["rooms"]
    ids = (room["id"], owner["account_id"], owner["id"], room["passcodes"][0]["id"])
    identity = Identity("node1", f"node1-1.{number}", bridge, microseconds(at))
    caller = ["+4930123456", "", "18005550142"][number % 3]
    return OpenStay(identity, "node1-0.0", *ids, "guest", "", "PJSIP/t", caller, "18005550100")


def closed(joined: OpenStay, duration_us: int) -> MinuteRecord:
    left = joined.identity.joined_us + duration_us
    evidence = Evidence.ESTIMATED if duration_us % 2 else Evidence.MEASURED
    return MinuteRecord(replace(joined, left_us=left), left, Reason.HUNG_UP, evidence, 0)


@pytest.fixture
async def billed(rest: Shell, database: Database) -> list[Any]:
    """Two sub-accounts with stays in three conferences each, and one that goes on."""
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    names = [("1001", "Ada Hale", "employee"), ("p-4711", "山" * 120, "project")]
    owners = [
        await bridge.json("sub-account", "create", "--account", "Hale", user_id, name, "--kind", kind)
        for user_id, name, kind in names
    ]
    prices = ("--per-minute", "0.0491", "--connect-fee", "0.013", "--next-increment", "1", "--decimals", "4")
    await bridge("tariff", "add", "--account", "Hale", *prices, "--effective-from", "2026-01-01")
    joined = [stay(owners[n % 2], n, NOVEMBER + timedelta(minutes=7 * n), f"b-{n % 6}") for n in range(14)]
    changes = [closed(one, (n + 1) * 97_654_321) for n, one in enumerate(joined)]
    going = stay(owners[0], 99, NOVEMBER, "b-99")
    ledger = PostgresLedger(database)
    await ledger.commit("node1", None, Position("f", 1), SwitchState("node1-0.0"), [*changes, going])
    return owners


async def test_the_text_bill_adds_up_as_printed(bridge: Shell, billed: list[Any]) -> None:
    said = await bridge("statement", "--account", "Hale", "--period", "2026-11")
    lines = said.splitlines()
    assert max(map(width, lines)) <= 100
    assert not any(line.endswith(" ") for line in lines)
    for expected in ("Hale", "2026-11-01", "2026-12-01", "Europe/Berlin", "EUR", "1001", "p-4711", "(project)"):
        assert expected in said
    figures = re.compile(r"(\d+:\d\d:\d\d(?:\.\d+)?) +(\d+) +([\d.]+)$")
    rows = [(line, match) for line in lines if (match := figures.search(line))]
    people = [match for line, match in rows if line.startswith("    ")]
    conferences = [match for line, match in rows if line.startswith("  Conference")]
    sums = [match for line, match in rows if line.startswith("Sum of")]
    assert (len(people), len(conferences), len(sums)) == (14, 6, 2)
    for level in (people, conferences, sums):
        assert _total(level, 3) == _total(people, 3)
        assert _total(level, 2) == _total(people, 2)
    totals = {
        line.split()[0]: Decimal(line.split()[-1]) for line in lines if re.match("Subtotal|Tax|Rounding|TOTAL", line)
    }
    assert totals["Subtotal"] == _total(people, 3)
    assert totals["Subtotal"] + totals["Tax"] + totals["Rounding"] == totals["TOTAL"]
    assert said.count("estimated") == 7
    assert "1 stay still going on" in said


def _total(rows: list[re.Match[str]], group: int) -> Decimal:
    return sum((Decimal(row[group]) for row in rows), Decimal(0))


async def test_the_bill_as_json_is_that_of_rest(bridge: Shell, billed: list[Any]) -> None:
    bill = await bridge.json("statement", "--account", "Hale", "--period", "2026-11")
    assert (bill["period"], bill["state"], bill["number"], bill["open"]) == ("2026-11", "draft", None, 1)
    assert [line["user_id"] for line in bill["lines"]] == ["1001", "p-4711"]
    assert [line["conferences"] for line in bill["lines"]] == [3, 3]
    people = [person for line in bill["lines"] for room in line["detail"] for person in room["participants"]]
    assert sum(Decimal(person["amount"]) for person in people) == Decimal(bill["subtotal"])
    minutes = await bridge.json("minutes", "--account", "Hale", "--period", "2026-11", "--state", "closed")
    assert {stay["id"]: stay["amount"] for stay in minutes} == {person["id"]: person["amount"] for person in people}


async def test_minutes_and_their_filters(bridge: Shell, billed: list[Any]) -> None:
    ada, project = billed

    async def count(*words: str) -> int:
        return len(await bridge.json("minutes", "--account", "Hale", *words))

    month = ("--period", "2026-11")
    assert await count(*month) == 15
    assert await count("--period", "2026-10") == 0
    assert await count(*month, "--state", "open") == 1
    assert await count(*month, "--sub-account", "1001") == await count(*month, "--sub-account", ada["id"]) == 8
    assert await count(*month, "--room", project["rooms"][0]["id"]) == 7
    assert await count(*month, "--caller", "+4930123456") == 6
    conference = (await bridge.json("minutes", "--account", "Hale", *month, "--state", "open"))[0]["conference_id"]
    assert await count("--conference", conference, *month) == 1
    assert await count("--from", "2026-11-20T10:07", "--to", "2026-11-20T11:08") == 3
    assert await count("--from", "2026-11-20T10:07Z", "--to", "2026-11-20T10:08Z") == 1
    said = await bridge("minutes", "--account", "Hale", *month)
    assert "15 stays; times in Europe/Berlin, amounts in EUR" in said
    assert "2026-11-20 11:00:00" in said
    assert "in the room" in said


async def test_minutes_of_an_account_hold_none_of_another(bridge: Shell, billed: list[Any]) -> None:
    ada, _ = billed
    await bridge("account", "create", "Twin", "--currency", "EUR", "--time-zone", "UTC")
    twin = ("minutes", "--account", "Twin")
    assert await bridge.json(*twin, "--from", "2026-11-01", "--to", "2026-12-01") == []
    assert f"no sub-account '{ada['id']}'" in await bridge.refused(*twin, "--sub-account", ada["id"])


async def test_no_database_is_needed(bridge: Shell, billed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDGE_DATABASE_URL")
    monkeypatch.delenv("BRIDGE_PASSCODE_KEY")
    hale = ("--account", "Hale")
    assert "15 stays" in await bridge("minutes", *hale, "--period", "2026-11")
    assert "TOTAL EUR" in await bridge("statement", *hale, "--period", "2026-11")
    assert "0.0491" in await bridge("tariff", "list", *hale)


async def test_an_empty_month(bridge: Shell, billed: list[Any]) -> None:
    assert await bridge.json("minutes", "--account", "Hale", "--period", "2025-01") == []
    assert "0 stays" in await bridge("minutes", "--account", "Hale", "--period", "2025-01")
    assert "0.00" in await bridge("statement", "--account", "Hale", "--period", "2025-01")
