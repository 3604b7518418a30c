"""The journal against the ledger in the shell: a real journal, committed as the daemon does, then changed behind it."""

import asyncio
import io
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bridge.asterisk.journal.file import JournalFile
from bridge.domain.metering.records import instant
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.metering import verify_journal
from bridge.usecases.metering.keep_minutes import Progress, keep_minutes
from tests.commands.conftest import Shell
from tests.domain.metering import journals
from tests.domain.metering.journals import SECOND, START, CallLines

HALE = ("--account", "Hale")
MONTH = instant(START).strftime("%Y-%m")
LIVED_S = 400


class Node:
    """A node's journal, and the ledger that it is committed to."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path, self.database = path, database
        self.journal = JournalFile(path, 1 << 30)

    def write(self, lines: list[bytes]) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    async def commit(self) -> None:
        """Commit the journal up to its end, as the daemon does."""
        done = asyncio.Event()
        size = self.path.stat().st_size

        def progress(made: Progress) -> None:
            if made.position.offset == size:
                done.set()

        ledger = PostgresLedger(self.database)
        keeping = asyncio.create_task(keep_minutes("node1", self.journal, ledger, 60 * SECOND, progress, print))
        try:
            await asyncio.wait_for(done.wait(), 20)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def behind(self, *statements: str) -> list[Any]:
        """Change the ledger as no part of the product could."""
        async with self.database.transaction() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            results = [await connection.execute(text(statement)) for statement in statements]
            return list(results[-1].mappings()) if results[-1].returns_rows else []


@pytest.fixture
async def hale(rest: Shell) -> Any:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    owner = await bridge.json("sub-account", "create", *HALE, "1001", "Ada Hale")
    await bridge("tariff", "add", *HALE, "--per-minute", "0.06", "--effective-from", "2026-01-01")
    return owner


def lines_of(calls: list[CallLines], seconds: int = LIVED_S) -> list[bytes]:
    """The calls' lines among those of a heart that beats."""
    timed = [(START + number * journals.BEAT, line) for number, line in enumerate(journals.living(seconds))]
    for call in calls:
        at = [call.called, call.called + 100, call.called + 200, call.joined or call.called]
        found = call.lines()
        timed += [(at[min(n, 3)] if n < 5 else (call.left or call.called) + n, one) for n, one in enumerate(found)]
    return [journals.boot(START), *(line for _, line in sorted(timed, key=lambda pair: pair[0]))]


def calls_of(owner: Any, count: int) -> list[CallLines]:
    [room] = owner["rooms"]
    stamps = {
        "tenantid": owner["account_id"],
        "accountcode": owner["id"],
        "userfield": f"{room['passcodes'][0]['id']}:guest:",
        "appname": "ConfBridge",
        "appdata": f"{room['id']},room,guest,guest_menu",
    }
    return [
        CallLines(f"node1-1.{n}", at, at + 2 * SECOND, at + (12 + n) * SECOND, stamps=stamps)
        for n in range(count)
        for at in [START + (10 + 7 * n) * SECOND]
    ]


@pytest.fixture
async def node(bridge: Shell, hale: Any, database: Database, near: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node with ten calls, committed."""
    folder = near / "journal"
    folder.mkdir()
    made = Node(folder / "cel.jsonl", database)
    monkeypatch.setenv("BRIDGE_JOURNAL", str(made.path))
    monkeypatch.setenv("BRIDGE_NODE", "node1")
    made.write(lines_of(calls_of(hale, 10)))
    await made.commit()
    return made


@pytest.mark.parametrize("piece", [3, 1000])
async def test_nothing_differs(bridge: Shell, node: Node, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """The journal and the ledger are read in pieces. The result does not depend on their size."""
    monkeypatch.setattr(verify_journal, "LINES", 7 * piece)
    monkeypatch.setattr(verify_journal, "PAGE", piece)
    said = await bridge("journal", "verify")
    assert "10 stays and 10 calls in the journal, nothing differs" in said
    found = await bridge.json("journal", "verify")
    assert (found["stays"], found["calls"], found["differences"]) == (10, 10, [])
    half = instant(START + 41 * SECOND).isoformat()
    assert (await bridge.json("journal", "verify", "--from", half))["stays"] == 5
    assert (await bridge.json("journal", "verify", "--to", half))["stays"] == 5
    before = instant(START - 600 * SECOND).isoformat()
    assert (await bridge.json("journal", "verify", "--to", before))["stays"] == 0
    assert "mended" not in await bridge("journal", "rebuild", "--yes")


async def test_what_was_changed_behind_the_product_is_found_and_mended(
    bridge: Shell, node: Node, hale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await bridge.json("statement", *HALE, "--period", MONTH)
    await node.behind(
        "DELETE FROM charges WHERE minute_record_id = (SELECT id FROM minute_records WHERE uniqueid = 'node1-1.1')",
        "DELETE FROM minute_records WHERE uniqueid = 'node1-1.1'",
        "DELETE FROM calls WHERE uniqueid = 'node1-1.1'",
        "UPDATE minute_records SET left_at = left_at + interval '1 h', duration_us = 1, caller = '666' "
        "WHERE uniqueid = 'node1-1.2'",
        "INSERT INTO minute_records SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'id', gen_random_uuid(), 'uniqueid', 'node1-1.99'))).* FROM minute_records r WHERE uniqueid = 'node1-1.3'",
    )
    outcome = await bridge.run("journal", "verify")
    assert (outcome.status, outcome.complained) == (1, "")
    assert "2 missing, 1 not in journal, 1 differs" in outcome.said
    assert "caller 4930123456, Postgres 666" in outcome.said
    assert "duration_us 12000000, Postgres 1" in outcome.said
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert (await bridge.run("journal", "rebuild")).status == 1
    assert (await bridge.run("journal", "verify")).said == outcome.said
    assert "4 mended" in await bridge("journal", "rebuild", "--yes")
    assert "nothing differs" in await bridge("journal", "verify")
    after = await bridge.json("statement", *HALE, "--period", MONTH)
    assert (after["subtotal"], after["lines"][0]["stays"]) == (before["subtotal"], 10)
    assert after["lines"][0]["duration_us"] == before["lines"][0]["duration_us"]
    [charged] = await node.behind("SELECT sum(amount) AS amount FROM charges")
    assert charged["amount"] == Decimal(after["subtotal"])
    rows = "SELECT (SELECT count(*) FROM minute_records) AS records, (SELECT count(*) FROM charges) AS charges"
    [counted] = await node.behind(rows)
    await bridge("journal", "rebuild", "--yes")
    assert await node.behind(rows) == [counted]


async def test_what_goes_on_or_is_not_committed_is_not_missing(bridge: Shell, node: Node, hale: Any) -> None:
    at = START + LIVED_S * SECOND
    joined = CallLines("node1-1.50", at, at + SECOND, at + 30 * SECOND, stamps=calls_of(hale, 1)[0].stamps)
    later = CallLines("node1-1.51", at, at + SECOND, at + 30 * SECOND, stamps=joined.stamps)
    node.write(joined.lines()[:5])
    await node.commit()
    node.write([*joined.lines()[5:], *later.lines()])
    found = await bridge.json("journal", "verify")
    assert (found["stays"], found["calls"], found["differences"]) == (11, 11, [])
    await node.behind("DELETE FROM open_stays")
    [one] = (await bridge.json_of(1, "journal", "verify"))["differences"]
    assert (one["verdict"], one["uniqueid"]) == ("missing", "node1-1.50")
    await bridge("journal", "rebuild", "--yes")
    assert await bridge("journal", "verify")
    await node.commit()
    assert (await bridge.json("journal", "verify"))["stays"] == 12


async def test_an_open_row_of_a_stay_that_is_over_is_closed(bridge: Shell, node: Node) -> None:
    columns = ", ".join(
        row["column_name"]
        for row in await node.behind(
            "SELECT column_name FROM information_schema.columns JOIN information_schema.columns r USING (column_name) "
            "WHERE columns.table_name = 'open_stays' AND r.table_name = 'minute_records'"
        )
        if row["column_name"] != "left_at"
    )
    await node.behind(
        f"INSERT INTO open_stays ({columns}, result, deducted_us, doubt_us, seen_us) "
        f"SELECT {columns}, '', 0, 0, 0 FROM minute_records WHERE uniqueid IN ('node1-1.1', 'node1-1.2')",
        "DELETE FROM minute_records WHERE uniqueid = 'node1-1.2'",
    )
    found = (await bridge.json_of(1, "journal", "verify"))["differences"]
    assert [one["verdict"] for one in found] == ["open_in_ledger"] * 2
    assert "2 mended" in await bridge("journal", "rebuild", "--yes")
    assert "nothing differs" in await bridge("journal", "verify")


async def test_records_older_than_the_journal_are_said_apart(bridge: Shell, node: Node) -> None:
    await node.behind(
        "INSERT INTO minute_records SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'id', gen_random_uuid(), 'joined_at', joined_at - interval '2 h', 'left_at', left_at - interval '2 h'))).* "
        "FROM minute_records r WHERE uniqueid = 'node1-1.3'",
    )
    since = instant(START - 3 * 3600 * SECOND).isoformat()
    found = await bridge.json("journal", "verify", "--from", since)
    assert (found["not_covered"], found["stays"]) == (1, 10)
    assert "1 rows of Postgres not compared" in await bridge("journal", "verify", "--from", since)


async def test_a_journal_that_is_not_there(
    bridge: Shell, node: Node, near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "period ends" in await bridge.refused("journal", "verify", "--from", "2026-11-02", "--to", "2026-11-01")
    node.path.rename(node.path.with_name("other"))
    assert "put the file back" in await bridge.refused("journal", "verify")
    monkeypatch.setenv("BRIDGE_JOURNAL", str(near / "nowhere" / "cel.jsonl"))
    assert "run this on the node itself" in await bridge.refused("journal", "verify")
    monkeypatch.setenv("BRIDGE_NODE", "node2")
    monkeypatch.setenv("BRIDGE_JOURNAL", str(node.path))
    assert "no line of this node's journal" in await bridge("journal", "verify")


async def test_a_record_without_an_owner_is_shown_and_assigned(bridge: Shell, node: Node, hale: Any) -> None:
    assert "0 records" in await bridge("journal", "unassigned")
    at = START + LIVED_S * SECOND
    stamps = {"appname": "ConfBridge", "appdata": "some-room,room,guest,guest_menu"}
    node.write(CallLines("node1-1.60", at, at + SECOND // 2, at + SECOND, stamps=stamps).lines())
    await node.commit()
    [one] = await bridge.json("journal", "unassigned")
    assert (one["caller"], one["access_number"], one["room"]) == ("4930123456", "18005550100", "some-room")
    assert (one["duration_us"], one["stamped"]["account_id"]) == (SECOND // 2, "")
    said = await bridge("journal", "unassigned")
    assert "1 records without an owner" in said
    assert one["id"] in said
    owner = (*HALE, "--sub-account", "1001")
    made = await bridge.json("journal", "assign", one["id"], *owner)
    assert made["corrects"] == one["id"]
    assert "stands in its place" in await bridge.refused("journal", "assign", one["id"], *owner)
    assert await bridge.json("journal", "unassigned") == []
    bill = await bridge.json("statement", *HALE, "--period", MONTH)
    assert bill["lines"][0]["stays"] == 11
    assert "nothing differs" in await bridge("journal", "verify")
    [told] = await bridge.json("journal", "incidents", "--kind", "unassigned_stay")
    assert told["subject"] == "node1-1.60"


async def test_garbage_is_told_with_its_place(bridge: Shell, node: Node) -> None:
    assert "0 incidents" in await bridge("journal", "incidents")
    place = node.path.stat().st_size
    at = START + LIVED_S * SECOND
    node.write([journals.alive(at), b"\xff garbage", journals.alive(at + journals.BEAT)])
    offset = place + len(journals.alive(at)) + 1
    await node.commit()
    [told] = await bridge.json("journal", "incidents", "--from", instant(at - SECOND).isoformat())
    [file] = await node.behind("SELECT file FROM journal_positions")
    assert told["kind"] == "garbage_line"
    assert told["subject"] == f"not JSON near byte {offset} of {file['file'][:12]}"
    assert node.path.read_bytes()[offset:].startswith(b"\xff garbage\n")
    assert await bridge.json("journal", "incidents", "--to", instant(at - SECOND).isoformat()) == []
    assert "1 incidents" in await bridge("journal", "incidents")


async def test_a_call_that_differs_is_told_and_left_alone(bridge: Shell, node: Node) -> None:
    await node.behind("UPDATE calls SET caller = '666' WHERE uniqueid = 'node1-1.1'")
    [one] = (await bridge.json_of(1, "journal", "verify"))["differences"]
    assert (one["what"], one["verdict"], one["fields"]["caller"]["ledger"]) == ("call", "differs", "666")
    outcome = await bridge.run("journal", "rebuild", "--yes")
    assert (outcome.status, "calls have no corrections" in outcome.said) == (1, True)
