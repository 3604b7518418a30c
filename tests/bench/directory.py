"""Measures the local directory with a million live passcodes: filling, restart, look-ups, changes and size.

A Postgres of the bench holds the codes. One process fills its directory from it as the daemon does, while a task that
ticks beside it measures how long the event loop is held up; then it follows changes that another connection commits. A
second process, with Postgres stopped, opens the directory that the first has left: this is the restart. It looks up
codes.
"""

import argparse
import asyncio
import contextlib
import gc
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text

from bridge.domain.admission.grant import DialledNumber, Grant
from bridge.domain.provisioning.passcode import digest
from bridge.sandbox import postgres
from bridge.storage import keys
from bridge.storage.directory.lookup import LocalDirectory
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database
from tests.bench.measuring import quantile

CODES = 1_000_000
ACCOUNTS = 1_000
CODES_OF_ROOMS = (3, 2, 3, 2)
"""The number of codes of a room, in turn: 2.5 on average. Each room has its own sub-account."""
ROLES = ("host", "guest", "listener")
KEYS = keys.derive("be9c" * 16)
NUMBER = DialledNumber("18005550100")
LOOKUPS = 200_000
CHANGES = 40
TICK_S = 0.001
CHUNK = 50_000


def digits_of(code: int) -> str:
    return f"{code:012}"


def owners(codes: int) -> Iterator[tuple[int, range]]:
    """Yield the number of each room with the numbers of its codes."""
    first = 0
    for room, many in zip(itertools.count(), itertools.cycle(CODES_OF_ROOMS)):
        if first >= codes:
            return
        yield room, range(first, min(first + many, codes))
        first += many


def id_of(kind: int, number: int) -> UUID:
    """Make an id that is spread like a random one, as the product's ids are."""
    return UUID(bytes=hashlib.blake2b(f"{kind}:{number}".encode(), digest_size=16).digest())


async def fill_postgres(url: str, codes: int) -> None:
    """Fill Postgres with codes, through the same tables and triggers as in production."""
    async with Database(url, command_s=None) as database, database.connection("fill") as connection:
        await connection.execute(
            "INSERT INTO access_numbers (id, number, kind) VALUES (gen_random_uuid(), $1, 'local')", NUMBER.number
        )
        accounts = [(id_of(0, number), f"Account {number}", "EUR", "UTC") for number in range(ACCOUNTS)]
        await connection.copy_records_to_table(
            "accounts", records=accounts, columns=["id", "name", "currency", "time_zone"]
        )
        rooms = owners(codes)
        while part := list(itertools.islice(rooms, CHUNK)):
            tenants = [(id_of(0, room % ACCOUNTS), id_of(1, room), id_of(2, room)) for room, _ in part]
            async with connection.transaction():
                await connection.copy_records_to_table(
                    "sub_accounts",
                    records=[
                        (owner, account, f"u{room}", f"User {room}", "employee")
                        for (account, owner, _), (room, _) in zip(tenants, part, strict=True)
                    ],
                    columns=["id", "account_id", "user_id", "name", "kind"],
                )
                await connection.copy_records_to_table(
                    "rooms",
                    records=[(room, account, owner, "Room") for account, owner, room in tenants],
                    columns=["id", "account_id", "sub_account_id", "name"],
                )
                await connection.copy_records_to_table(
                    "passcodes",
                    records=[
                        (id_of(3, code), account, room, role, digest(digits_of(code), KEYS.lookup), 12, bytes(41))
                        for (account, _, room), (_, its) in zip(tenants, part, strict=True)
                        for code, role in zip(its, ROLES, strict=False)
                    ],
                    columns=["id", "account_id", "room_id", "role", "digest", "length", "sealed"],
                )
        await connection.execute("ANALYZE")


# --- In a process of its own ----------------------------------------------------------------------------------------
def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


@contextlib.asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """Yield a list that grows by the seconds by which each tick was late."""
    late: list[float] = []

    async def tick() -> None:
        due = time.perf_counter()
        while True:
            due += TICK_S
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - due)
            due = time.perf_counter()

    running = asyncio.create_task(tick())
    try:
        yield late
    finally:
        running.cancel()


def lookups(directory: LocalDirectory, codes: int) -> dict[str, float]:
    """Measure `find` alone, for live codes and for digits that are no code.

    Figures are µs of elapsed time, and µs of CPU time, which other processes on a busy machine do not lengthen.
    """
    figures = {}
    for what, first in (("hit", 0), ("miss", codes)):
        for clock, now in (("", time.perf_counter_ns), ("_cpu", time.thread_time_ns)):
            took = []
            for _ in range(LOOKUPS):
                digits = digits_of(first + random.randrange(codes))
                began = now()
                found = directory.find(digits, NUMBER)
                took.append((now() - began) / 1000)
                if isinstance(found, Grant) is (what == "miss"):
                    raise SystemExit(f"code {digits} was a {'miss' if what == 'hit' else 'hit'}")
            figures |= {
                f"lookup_{what}_p50{clock}_us": quantile(took, 0.5),
                f"lookup_{what}_p99{clock}_us": quantile(took, 0.99),
            }
    return figures


async def filling(url: str, folder: Path, codes: int) -> dict[str, float]:
    gc.collect()
    gc.freeze()
    async with Database(url) as database, Database(url) as other:
        before = resident_mb()
        directory = LocalDirectory(database, folder, KEYS, "bench")
        async with ticking() as late:
            began = time.monotonic()
            running = asyncio.create_task(directory.run())
            while not directory.fresh:
                await asyncio.sleep(0.001)
            figures = {"first_fill_s": time.monotonic() - began}
            figures |= {"loop_held_up_ms": 1000 * max(late), "loop_held_up_p99_ms": 1000 * quantile(late, 0.99)}
            seen = [await visible(directory, other, codes, change) for change in range(CHANGES)]
            figures |= {"change_visible_p50_ms": quantile(seen, 0.5), "change_visible_max_ms": max(seen)}
        # A daemon that has to read everything again still serves callers meanwhile.
        async with ticking() as late:
            began = time.monotonic()
            await execute(other, "INSERT INTO directory_changes (number) VALUES (next_directory_numbers(1) + 1)")
            async with other.transaction() as connection:
                wanted = (await connection.execute(text("SELECT number FROM directory_state"))).scalar_one()
            while (directory.change or 0) < wanted:
                await asyncio.sleep(0.001)
            figures |= {"refill_s": time.monotonic() - began, "refill_loop_held_up_ms": 1000 * max(late)}
        for code in range(codes):
            directory.find(digits_of(code), NUMBER)
        figures["filler_resident_mb"] = resident_mb() - before
        running.cancel()
        await asyncio.wait([running])
        await directory.close()
        return figures


async def visible(directory: LocalDirectory, other: Database, codes: int, change: int) -> float:
    """Milliseconds from the commit of a change elsewhere until it decides over callers.

    Changes of a code and of its sub-account take turns.
    """
    code = random.randrange(codes)
    digits, passcode_id = digits_of(code), id_of(3, code)
    on_owner = "UPDATE sub_accounts SET state = '{}' FROM rooms, passcodes WHERE passcodes.id = :id "
    on_owner += "AND rooms.id = passcodes.room_id AND sub_accounts.id = rooms.sub_account_id"
    on_code = "UPDATE passcodes SET state = '{}' WHERE id = :id"
    statement, states = ((on_owner, ("suspended", "active")), (on_code, ("revoked", "live")))[change % 2]
    took = []
    for state, admitted in zip(states, (False, True), strict=True):
        await execute(other, statement.format(state), id=passcode_id)
        began = time.monotonic()
        while isinstance(directory.find(digits, NUMBER), Grant) is not admitted:
            await asyncio.sleep(0)
        took.append(1000 * (time.monotonic() - began))
    return max(took)


async def execute(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement), values)


async def restarting(url: str, folder: Path, codes: int, spawned: float) -> dict[str, float]:
    """Open the directory as a restarted daemon does; `spawned` is the wall-clock time at which the process started."""
    before = resident_mb()
    async with Database(url) as database:
        began = time.monotonic()
        directory = LocalDirectory(database, folder, KEYS, "bench")
        found = directory.find(digits_of(codes // 2), NUMBER)
        opened, whole = time.monotonic() - began, time.time() - spawned
        if not isinstance(found, Grant):
            raise SystemExit("the directory of the first process does not know its codes")
        figures = {"restart_to_first_lookup_s": whole, "open_to_first_lookup_s": opened}
        figures["opened_resident_mb"] = resident_mb() - before
        for code in range(codes):
            directory.find(digits_of(code), NUMBER)
        figures["touched_resident_mb"] = resident_mb() - before
        figures["process_resident_mb"] = resident_mb()
        figures |= lookups(directory, codes)
        await directory.close()
        return figures


def in_own_process(role: str, url: str, folder: Path, codes: int) -> dict[str, float]:
    """Run one part of the bench in a separate process, and return its figures."""
    command = [sys.executable, "-m", __spec__.name, "--role", role, "--url", url, "--folder", str(folder)]
    command += ["--codes", str(codes), "--spawned", str(time.time())]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ).stdout
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    return figures


# --- The bench ------------------------------------------------------------------------------------------------------
SHOWN = (
    ("first_fill_s", "first fill from Postgres", "s", 10.0),
    ("loop_held_up_ms", "longest pause of the event loop meanwhile", "ms", 50.0),
    ("refill_s", "reading everything again", "s", None),
    ("refill_loop_held_up_ms", "longest pause of the event loop meanwhile", "ms", 50.0),
    ("restart_to_first_lookup_s", "restart to first look-up, Python's start included", "s", 1.0),
    ("touched_resident_mb", "its resident memory, after a look-up of every code", "MB", 300.0),
    ("filler_resident_mb", "the same, in the process that filled it twice", "MB", 300.0),
    ("lookup_hit_p50_us", "look-up of a live code, p50", "µs", None),
    ("lookup_hit_p99_us", "look-up of a live code, p99", "µs", 20.0),
    ("lookup_hit_p99_cpu_us", "the same, CPU time alone", "µs", 20.0),
    ("lookup_miss_p99_us", "look-up of other digits, p99", "µs", 20.0),
    ("change_visible_p50_ms", "a change visible on another connection's node, p50", "ms", None),
    ("change_visible_max_ms", "the same, the slowest", "ms", 1000.0),
)


def measure(folder: Path, codes: int) -> dict[str, float]:
    state = folder / "state"
    state.mkdir()
    server = postgres.at(folder)
    try:
        server.start()
        asyncio.run(migration.migrate(server.url))
        began = time.monotonic()
        asyncio.run(fill_postgres(server.url, codes))
        figures = {"codes": float(codes), "postgres_filled_s": time.monotonic() - began}
        figures |= in_own_process("fill", server.url, state, codes)
        server.stop()
        figures |= in_own_process("restart", server.url, state, codes)
    finally:
        server.remove()
    figures["file_mb"] = (state / "directory.lmdb").stat().st_size / 1e6
    return {name: round(value, 3) for name, value in figures.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=CODES, help="live passcodes in the directory (1000000)")
    for hidden in ("role", "url", "folder", "spawned"):
        parser.add_argument(f"--{hidden}", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.role == "fill":
        print(json.dumps(asyncio.run(filling(chosen.url, Path(chosen.folder), chosen.codes))))
        return
    if chosen.role == "restart":
        work = restarting(chosen.url, Path(chosen.folder), chosen.codes, float(chosen.spawned))
        print(json.dumps(asyncio.run(work)))
        return
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        figures = measure(Path(folder), chosen.codes)
    print(f"{chosen.codes} live passcodes, {figures['file_mb']:.0f} MB on disk{'':25}measured      at most")
    for name, label, unit, most in SHOWN:
        print(f"{label:58}{figures[name]:10.2f} {unit:2}{'' if most is None else f'{most:10.0f} {unit}'}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
