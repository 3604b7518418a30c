"""Gathers the evidence for the auditor, and keeps it: the switch's journal in two copies, the ledger, the bill."""

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from bridge.domain.metering.records import microseconds
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.faults.auditor import Bill, Evidence, Join, Record, Violation

ENDS = ("BRIDGE_EXIT", "LEFT", "HANGUP")
WITNESS = "witness.jsonl"
# Tables of the ledger and of what it is made from. None of them holds a passcode or a key.
LEDGER = (
    *("calls", "open_calls", "minute_records", "minute_segments", "open_stays", "charges", "incidents"),
    *("journal_positions", "admission_attempts", "unassigned_records"),
)
README = """Evidence of one run of `make faults`.

violations.json  the broken promises: which, of which call (uniqueid), by how much
faults.json      the faults in the order of their times (UTC): begun, delivered, healed
callers.json     what each caller saw: times in microseconds since 1970 and in UTC
evidence.json    all that the auditor compared
witness.jsonl    the switch's journal, undamaged; every line of one call: grep UNIQUEID witness.jsonl
journal/         the journal that the product read, damaged by the faults, with its archives
ledger/          the tables of the ledger, one CSV file each
daemon.log, messages, console, postgres.log  logs of the daemon, of Asterisk and of Postgres
"""


def add_witness(configuration: Path, witness: Path) -> None:
    """Make Asterisk write every line of its journal a second time, to a file that no fault damages."""
    text = configuration.read_text()
    fields = next(line for line in text.splitlines() if line.startswith("fields ="))
    configuration.write_text(f"{text}\n[{witness}]\nformat = json\n{fields}\n")


def lines(folder: Path) -> Iterator[bytes]:
    """Read all lines of the files in a folder, compressed or not, without their ends. Raises OSError, EOFError.

    A file whose name begins with a dot is not finished, and is left out.
    """
    for path in sorted(folder.glob("[!.]*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from data.split(b"\n")


def facts(found: Iterable[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Parse the lines that are events of Asterisk. None of the product's own code takes part, so that it is no judge of
    itself."""
    for line in found:
        try:
            fact = json.loads(line)
            if isinstance(fact, dict) and fact["uniqueid"] and fact["eventtype"]:
                fact["extra"] = json.loads(fact["eventextra"]) if fact["eventextra"] else {}
                yield fact, line
        except (ValueError, KeyError, TypeError):
            continue


def joins(witness: Iterable[bytes], journal: Iterable[bytes]) -> list[Join]:
    """Every stay in the switch's journals, and whether its lines came whole into the journal that the product reads."""
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
    """A map from uniqueid to SIP Call-ID, and the uniqueids whose line the product's journal lacks."""
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
    """The uniqueids of all calls that have ended, one for each row."""
    return [row[0] for row in await connection.fetch("SELECT uniqueid FROM calls")]


async def left_open(connection: asyncpg.Connection) -> int:
    """The number of open stays and open calls."""
    return int(
        await connection.fetchval("SELECT (SELECT count(*) FROM open_stays) + (SELECT count(*) FROM open_calls)")
    )


async def bill(connection: asyncpg.Connection, api: Rest, account_id: str) -> Bill:
    """Charges and statements of one account, over all months in which it has charges."""
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


async def keep(
    folder: Path, sandbox: Sandbox, connection: asyncpg.Connection, evidence: Evidence, violations: Sequence[Violation]
) -> None:
    """Write everything that is needed to look at a violation into `folder`, with a README that says what is where."""
    keep_logs(folder, sandbox)
    (folder / "README").write_text(README)
    _write(folder / "violations.json", [asdict(violation) for violation in violations])
    troubles = sorted(evidence.troubles, key=lambda trouble: trouble.began_us)
    _write(folder / "faults.json", [_with_times(asdict(trouble)) for trouble in troubles])
    _write(folder / "callers.json", [_with_times(asdict(report)) for report in evidence.told])
    _write(folder / "evidence.json", asdict(evidence))
    ledger = folder / "ledger"
    ledger.mkdir(exist_ok=True)
    for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        if row[0] in LEDGER:
            # COPY of a partitioned table itself is refused.
            await connection.copy_from_query(
                f'SELECT * FROM "{row[0]}"', output=ledger / f"{row[0]}.csv", format="csv", header=True
            )


def keep_logs(folder: Path, sandbox: Sandbox) -> None:
    """Copy the logs and both journals into `folder`, as far as they exist."""
    folder.mkdir(parents=True, exist_ok=True)
    node = sandbox.folder / "node"
    postgres = sandbox.folder / "postgres" / "log"
    for source, name in (
        (node / WITNESS, WITNESS),
        (sandbox.daemon_log, "daemon.log"),
        (node / "log/messages", "messages"),
        (node / "log/console", "console"),
        (postgres, "postgres.log"),
    ):
        if source.is_file():
            shutil.copy(source, folder / name)
    journal = folder / "journal"
    journal.mkdir(exist_ok=True)
    for source in (node / "journal").glob("[!.]*"):
        shutil.copy(source, journal)


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose times in µs since 1970 stand there a second time as UTC."""
    times = {name: value for name, value in row.items() if name.endswith("_us") and value is not None}
    return row | {f"{name.removesuffix('_us')}_at": _utc(us) for name, us in times.items()}


def _utc(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat(timespec="microseconds")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, default=_plain, indent=1))


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
