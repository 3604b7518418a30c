"""Measures how fast the daemon brings the journal into the ledger: a backlog first, then a long journal.

A real daemon starts on a node whose journal has grown while it was away. It has an embedded Postgres with sub-accounts
and a tariff, so that every stay is charged. Times run from the start of its process. For comparison, plain SQLAlchemy
inserts rows as wide as a minute record in the same run, 200 in each statement and transaction, into a table without an
index.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psutil
from sqlalchemy import Column, MetaData, Table, insert, text

from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.provisioning.changes import AccountFields, SubAccountFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.sandbox import postgres
from bridge.sandbox.host import ports
from bridge.sandbox.postgres import Postgres
from bridge.storage import keys
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.metering import minute_records
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.billing.add_tariff import add_tariff
from bridge.usecases.provisioning import provision
from tests.bench import journal_load

JOINS_A_SECOND = 20
ROOMS = 200
PLAIN_ROWS, PLAIN_BATCH = 20_000, 200
PATIENCE_S = 300.0
NOBODY = "127.0.0.1:9"
SECRET = "5eed" * 16
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Drained:
    """The figures of one journal that was read to its end.

    `seconds` run from the start of the daemon's process. `steady_s` runs from its first commit to its last; in that
    time `steady_lines` were committed, and the CPU seconds were spent.
    """

    lines: int
    stays: int
    seconds: float
    steady_s: float
    steady_lines: float
    daemon_cpu_s: float
    postgres_cpu_s: float
    peak_mb: float

    @property
    def lines_a_second(self) -> float:
        return self.steady_lines / self.steady_s


async def provisioned(server: Postgres, name: str) -> tuple[str, list[SubAccount]]:
    """Make a database with an account, its tariff and ROOMS sub-accounts. Returns its URL and the sub-accounts."""
    url = server.create(name)
    await migration.migrate(url)
    async with Database(url) as database:
        tenants, kept = PostgresTenants(database), keys.derive(SECRET)
        account = await provision.create_account(tenants, AccountFields("bench", "USD", "UTC"))
        since = datetime(2020, 1, 1, tzinfo=UTC)
        tariffs = PostgresTariffs(database)
        await add_tariff(tenants, tariffs, account.id, since, Decimal("0.049"), Decimal("0.02"), 6, 6, 4)
        owners = [
            await provision.create_sub_account(
                tenants, kept, account.id, SubAccountFields(f"u{number}", f"User {number}")
            )
            for number in range(ROOMS)
        ]
    return url, owners


@contextmanager
def daemon(url: str, journal: Path, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the daemon on this journal, without any Asterisk, for the length of a block."""
    with ports.claim(2) as port, (folder / "log").open("ab") as log:
        settings = {
            "BRIDGE_DATABASE_URL": url,
            "BRIDGE_JOURNAL": str(journal),
            "BRIDGE_JOURNAL_ROTATE_MB": "4096",
            "BRIDGE_STATE_DIR": str(folder / "state"),
            "BRIDGE_API_ADDRESS": f"127.0.0.1:{port.first}",
            "BRIDGE_PROBES_ADDRESS": f"127.0.0.1:{port.first + 1}",
            "BRIDGE_OPERATOR_KEY": secrets.token_hex(32),
            "BRIDGE_PASSCODE_KEY": SECRET,
            "BRIDGE_ARI_URL": f"http://{NOBODY}",
            "BRIDGE_ARI_PASSWORD": secrets.token_hex(16),
            "BRIDGE_AMI_ADDRESS": NOBODY,
            "BRIDGE_AMI_PASSWORD": secrets.token_hex(16),
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")} | settings
        command = [sys.executable, "-m", "bridge", "serve"]
        process = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def cpu_s(server: Postgres) -> float:
    """CPU seconds of all of Postgres so far."""
    running = server.process
    assert running is not None
    postmaster = psutil.Process(running.pid)
    spent = sum(postmaster.cpu_times()[:4])
    for child in postmaster.children():
        try:
            spent += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue  # it has ended, and the postmaster counts it now
    return spent


def peak_mb(pid: int) -> float:
    """The most resident memory that a running process has had, in MB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


async def drain(server: Postgres, folder: Path, name: str, stays: int) -> tuple[Drained, Path]:
    """Write a journal, let a daemon read it, and check that each stay is in the ledger once and charged."""
    url, owners = await provisioned(server, name)
    journal = folder / f"{name}.jsonl"
    lines = journal_load.write(journal, stays, JOINS_A_SECOND, owners)
    size = journal.stat().st_size
    (folder / name).mkdir()
    async with Database(url) as database:
        began = time.monotonic()
        with daemon(url, journal, folder / name) as process:
            offset, first_at, first_offset, spent, theirs = 0, 0.0, 0, 0.0, 0.0
            me = psutil.Process(process.pid)
            while offset < size:
                if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                    tail = (folder / name / "log").read_text()[-2000:]
                    raise SystemExit(f"the daemon came only to byte {offset} of {size}; its log ends:\n{tail}")
                await asyncio.sleep(0.02)
                async with database.transaction() as connection:
                    found = await connection.execute(text("SELECT byte_offset FROM journal_positions"))
                    offset = found.scalar_one_or_none() or 0
                if offset and not first_at:
                    first_at, first_offset = time.monotonic(), offset
                    spent, theirs = sum(me.cpu_times()[:2]), cpu_s(server)
            ended = time.monotonic()
            spent, theirs = sum(me.cpu_times()[:2]) - spent, cpu_s(server) - theirs
            peak = peak_mb(process.pid)
        await check(database, stays)
    return Drained(
        lines,
        stays,
        ended - began,
        ended - first_at,
        lines * (size - first_offset) / size,
        spent,
        theirs,
        peak,
    ), journal


async def check(database: Database, stays: int) -> None:
    """Raise SystemExit if the ledger is not right: then the figure would be worth nothing."""
    wanted = {
        "calls": stays,
        "minute_records": stays,
        "charges": stays,
        "incidents": 0,
        "open_stays": 0,
        "open_calls": 0,
    }
    async with database.transaction() as connection:
        found = {
            table: (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() for table in wanted
        }
    if found != wanted:
        raise SystemExit(f"the ledger is wrong: it has {found} rows, and should have {wanted}")


async def plain_inserts(server: Postgres, name: str) -> float:
    """Rows a second that plain SQLAlchemy inserts, PLAIN_BATCH in each statement and transaction."""
    table = Table("plain", MetaData(), *(Column(column.name, column.type) for column in minute_records.columns))
    now = datetime.now(UTC)
    values = {
        **{column.name: "x" * 20 for column in table.columns},
        **{name: now for name in ("joined_at", "left_at")},
        **{name: uuid4() for name in ("conference_id", "room_id", "account_id", "sub_account_id", "passcode_id")},
        **{name: 1_000_000 for name in ("duration_us", "error_bound_us")},
        "corrects": None,
    }
    rows = [values | {"id": uuid4()} for _ in range(PLAIN_ROWS)]
    async with Database(server.create(name)) as database:
        async with database.transaction() as connection:
            await connection.run_sync(table.create)
        began = time.monotonic()
        for start in range(0, PLAIN_ROWS, PLAIN_BATCH):
            async with database.transaction() as connection:
                await connection.execute(insert(table), rows[start : start + PLAIN_BATCH])
        return PLAIN_ROWS / (time.monotonic() - began)


def pure_s(journal: Path) -> tuple[float, float]:
    """CPU seconds that parsing alone and folding alone take."""
    lines = journal.read_bytes().splitlines()
    began = time.process_time()
    facts = [journal_line.parse(line) for line in lines]
    parsed = time.process_time()
    fold = Fold("node1", 60_000_000)
    for fact in facts:
        fold.apply(fact)
    return parsed - began, time.process_time() - parsed


def row(name: str, run: Drained) -> str:
    return (
        f"{name:10} {run.lines:8} {run.stays:7} {run.seconds:8.2f} {run.lines_a_second:9.0f} "
        f"{run.stays * run.lines_a_second / run.lines:8.0f} {run.daemon_cpu_s:9.2f} {run.postgres_cpu_s:11.2f} "
        f"{run.peak_mb:8.0f}"
    )


async def measure(server: Postgres, folder: Path, backlog: int, sustained: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    plain = [await plain_inserts(server, "plain_1")]
    print(
        f"{'':10} {'lines':>8} {'stays':>7} {'seconds':>8} {'lines/s':>9} {'stays/s':>8} {'daemon s':>9} "
        f"{'Postgres s':>11} {'peak MB':>8}"
    )
    for name, stays in (("backlog", backlog), ("sustained", sustained)):
        run, journal = await drain(server, folder, name, stays)
        print(row(name, run), flush=True)
        figures |= {
            f"{name}_lines": run.lines,
            f"{name}_stays": run.stays,
            f"{name}_seconds": round(run.seconds, 2),
            f"{name}_lines_per_s": round(run.lines_a_second),
            f"{name}_stays_per_s": round(run.stays * run.lines_a_second / run.lines),
            f"{name}_daemon_cpu_s": round(run.daemon_cpu_s, 2),
            f"{name}_postgres_cpu_s": round(run.postgres_cpu_s, 2),
            f"{name}_peak_mb": round(run.peak_mb, 1),
        }
        plain.append(await plain_inserts(server, f"plain_{len(plain) + 1}"))
    parse_s, fold_s = pure_s(journal)
    parse_us, fold_us = (1e6 * seconds / run.lines for seconds in (parse_s, fold_s))
    shares = {
        "parse_us_per_line": parse_us,
        "fold_us_per_line": fold_us,
        "rows_and_driver_us_per_line": 1e6 * run.daemon_cpu_s / run.steady_lines - parse_us - fold_us,
        "postgres_us_per_line": 1e6 * run.postgres_cpu_s / run.steady_lines,
    }
    figures |= {name: round(value, 2) for name, value in shares.items()}
    figures["plain_inserts_per_s"] = round(statistics.median(plain))
    figures["ratio_lines_to_plain_inserts"] = round(run.lines_a_second / statistics.median(plain), 3)
    print(
        "CPU time for each line, µs: "
        + ", ".join(
            f"{name.removesuffix('_us_per_line').replace('_', ' ')} {value:.1f}" for name, value in shares.items()
        )
    )
    print(
        f"plain SQLAlchemy, {PLAIN_BATCH} rows in each transaction: {figures['plain_inserts_per_s']} inserts/s; "
        f"journal lines for each insert: {figures['ratio_lines_to_plain_inserts']}"
    )
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--backlog", type=int, default=600 * JOINS_A_SECOND, help="stays of the backlog (default: 12000)"
    )
    parser.add_argument("--sustained", type=int, default=40_000, help="stays of the long journal (40000)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        server = postgres.at(Path(folder))
        try:
            server.start()
            figures = asyncio.run(measure(server, Path(folder), chosen.backlog, chosen.sustained))
        finally:
            server.remove()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
