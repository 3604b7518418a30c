"""Gathers what the auditor compares: the switch's journal in two copies, the ledger's rows, the statements."""

import gzip
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from bridge.domain.metering.records import microseconds
from bridge.sandbox.rest import Rest
from tests.faults.auditor import Bill, Join, Record

ENDS = ("BRIDGE_EXIT", "LEFT", "HANGUP")


def add_witness(configuration: Path, witness: Path) -> None:
    """Have Asterisk write every line of its journal a second time, where nobody tears it."""
    text = configuration.read_text()
    fields = next(line for line in text.splitlines() if line.startswith("fields ="))
    configuration.write_text(f"{text}\n[{witness}]\nformat = json\n{fields}\n")


def lines(folder: Path) -> Iterator[bytes]:
    """All lines of the files in a folder, compressed or not, without their ends. Raises OSError, EOFError.

    What begins with a dot is not finished.
    """
    for path in sorted(folder.glob("[!.]*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from data.split(b"\n")


def facts(found: Iterable[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Those lines that are an event of Asterisk's, with what they say. Read here by no code of the product."""
    for line in found:
        try:
            fact = json.loads(line)
            if isinstance(fact, dict) and fact["uniqueid"] and fact["eventtype"]:
                fact["extra"] = json.loads(fact["eventextra"]) if fact["eventextra"] else {}
                yield fact, line
        except (ValueError, KeyError, TypeError):
            continue


def joins(witness: Iterable[bytes], journal: Iterable[bytes]) -> list[Join]:
    """Every stay that the switch told, and whether the journal that the product reads says so too."""
    whole = set(journal)
    entered: dict[tuple[str, str, int], bool] = {}
    ended: dict[str, bool] = {}
    for fact, line in facts([*witness, *whole]):
        if not fact["accountcode"]:
            continue
        if fact["eventtype"] == "BRIDGE_ENTER" and fact["appname"] == "ConfBridge":
            entered[fact["uniqueid"], fact["extra"]["bridge_id"], _us(fact["eventtime"])] = line in whole
        elif fact["eventtype"] in ENDS:
            ended[fact["uniqueid"]] = ended.get(fact["uniqueid"], True) and line in whole
    return [Join(*key, enter_whole, ended.get(key[0], False)) for key, enter_whole in entered.items()]


def called(witness: Iterable[bytes], journal: Iterable[bytes]) -> tuple[dict[str, str], frozenset[str]]:
    """From uniqueid to SIP Call-ID, and the uniqueids whose line the product's journal lacks."""
    whole = set(journal)
    found, unread = {}, set()
    for fact, line in facts(witness):
        if fact["eventtype"] == "CALLED":
            found[fact["uniqueid"]] = fact["extra"]["extra"].partition(":")[2]
            if line not in whole:
                unread.add(fact["uniqueid"])
    return found, frozenset(unread)


async def records(connection: asyncpg.Connection) -> list[Record]:
    """Minute records that nothing corrects."""
    rows = await connection.fetch(
        "SELECT uniqueid, bridge_id, joined_at, left_at, duration_us, left_reason, evidence FROM minute_records "
        "WHERE id NOT IN (SELECT corrects FROM minute_records WHERE corrects IS NOT NULL)"
    )
    return [Record(row[0], row[1], microseconds(row[2]), microseconds(row[3]), row[4], row[5], row[6]) for row in rows]


async def calls(connection: asyncpg.Connection) -> list[str]:
    """The uniqueids of all calls that have ended, as often as they are there."""
    return [row[0] for row in await connection.fetch("SELECT uniqueid FROM calls")]


async def left_open(connection: asyncpg.Connection) -> int:
    """Open stays and open calls."""
    return int(
        await connection.fetchval("SELECT (SELECT count(*) FROM open_stays) + (SELECT count(*) FROM open_calls)")
    )


async def bill(connection: asyncpg.Connection, api: Rest, account_id: str) -> Bill:
    """What one account is charged, over all months that it has charges of."""
    months = await connection.fetch(
        "SELECT DISTINCT to_char(joined_at AT TIME ZONE 'UTC', 'YYYY-MM') FROM minute_records WHERE account_id = $1",
        account_id,
    )
    charged = await connection.fetchval(
        "SELECT coalesce(sum(amount), 0) FROM charges WHERE account_id = $1", account_id
    )
    statements = [
        (await api.get("/v1/statements", account_id=account_id, period=month[0], detail="false"))["items"][0]
        for month in months
    ]

    def total(name: str) -> Decimal:
        return sum((Decimal(statement[name]) for statement in statements), Decimal(0))

    return Bill(
        Decimal(charged),
        sum((Decimal(line["amount"]) for statement in statements for line in statement["lines"]), Decimal(0)),
        total("subtotal"),
        total("tax") + total("rounding"),
        total("total"),
        sum(statement["unrated"] for statement in statements),
        sum(statement["open"] for statement in statements),
    )


def _us(seconds: str) -> int:
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000 + int(part)
