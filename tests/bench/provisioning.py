"""Measures provisioning over REST, by the daemon of a sandbox with a million passcodes in its Postgres.

It creates passcodes and sub-accounts one by one with a few clients at a time, then thousands in bulk, and reads pages
of lists at random places, with and without filters. Half of the passcodes belong to sub-accounts with two each, the
other half to one room. During the bulks another client asks for /healthz all the time, to see how long the daemon does
not answer others.
"""

import argparse
import asyncio
import base64
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bridge.domain.notation import rfc3339
from bridge.domain.provisioning.quotas import Quota
from bridge.sandbox import rest
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from tests.bench.measuring import Usage, quantile

CODES = 1_000_000
ROWS_A_STATEMENT = 50_000
FILLER_LENGTH = 12
BULK = 5000
LIMIT = 100

# Random digests serve here as well as those of real digits.
_CODE = (
    "gen_random_uuid(), account_id, {room}, {role}, CASE WHEN random() < 0.001 THEN 'revoked' ELSE 'live' END, "
    "sha256(uuid_send(gen_random_uuid())), :length, sha256(uuid_send({room})) || '\\x00010203040506'::bytea"
)
_COLUMNS = "passcodes (id, account_id, room_id, role, state, digest, length, sealed)"
OWNERS = (
    "INSERT INTO sub_accounts (id, account_id, user_id, name, kind, state, labels) "
    "SELECT gen_random_uuid(), :account, 'filler-' || n, 'Filler ' || n, "
    "CASE WHEN n % 1000 = 7 THEN 'project' ELSE 'employee' END, "
    "CASE WHEN n % 1000 = 3 THEN 'suspended' ELSE 'active' END, "
    "jsonb_build_object('office', CASE WHEN n % 1000 = 5 THEN 'Bergen' ELSE 'Oslo' END) "
    "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n",
    "INSERT INTO rooms (id, account_id, sub_account_id, name) "
    "SELECT gen_random_uuid(), account_id, id, name FROM sub_accounts "
    "WHERE account_id = :account AND NOT EXISTS (SELECT FROM rooms WHERE sub_account_id = sub_accounts.id)",
    f"INSERT INTO {_COLUMNS} SELECT {_CODE.format(room='rooms.id', role='role')} "
    "FROM rooms CROSS JOIN (VALUES ('host'), ('guest')) AS each(role) "
    "WHERE account_id = :account AND NOT EXISTS (SELECT FROM passcodes WHERE room_id = rooms.id)",
)
ONE_ROOM = (
    f"INSERT INTO {_COLUMNS} SELECT "
    + _CODE.format(room="rooms.id", role="CASE WHEN n % 1000 = 9 THEN 'host' ELSE 'guest' END")
    + " FROM rooms, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n WHERE rooms.id = :room"
)


async def fill(url: str, account: str, room: str, codes: int) -> float:
    """Fill Postgres with passcodes, through the same tables and triggers as in production. Returns seconds."""
    began = time.monotonic()
    async with Database(url, command_s=None) as database:
        for first in range(1, codes // 2 + 1, ROWS_A_STATEMENT):
            last = min(first + ROWS_A_STATEMENT - 1, codes // 2)
            async with database.transaction() as connection:
                await locks.lock_code_space(connection)
                values = {"account": account, "first": first, "last": last, "length": FILLER_LENGTH}
                await connection.execute(text(ONE_ROOM), {**values, "room": room})
                for statement in OWNERS:
                    await connection.execute(text(statement), {**values, "last": (first + last) // 2})
        async with database.connection("bench") as connection:
            await connection.execute("ANALYZE")
    return time.monotonic() - began


async def places(url: str, table: str, owner: str, of: str, many: int) -> list[str]:
    """Make cursors for random places of a list."""
    asked = f"SELECT created_at, id FROM {table} WHERE {owner} = :id ORDER BY random() LIMIT :many"
    async with Database(url, command_s=None) as database, database.transaction() as connection:
        rows = (await connection.execute(text(asked), {"id": of, "many": many})).all()
    return [
        base64.urlsafe_b64encode(f"{rfc3339(row.created_at)}|{row.id}".encode()).decode().rstrip("=") for row in rows
    ]


async def singles(make: Callable[[int], Awaitable[object]], seconds: float, clients: int) -> dict[str, float]:
    """Let each of `clients` make one request after the other for `seconds`."""
    took: list[float] = []
    began = time.monotonic()

    async def ask(client: int) -> None:
        while (now := time.monotonic()) < began + seconds:
            await make(len(took))
            took.append(time.monotonic() - now)

    await asyncio.gather(*map(ask, range(clients)))
    rate = len(took) / (time.monotonic() - began)
    return {
        "per_s": round(rate, 1),
        "p50_ms": round(1000 * quantile(took, 0.5), 1),
        "p99_ms": round(1000 * quantile(took, 0.99), 1),
    }


async def bulks(client: Rest, other: Rest, path: str, bodies: Sequence[Any], codes_each: int) -> dict[str, float]:
    """Send bulks one after the other, and measure how long another client waits meanwhile."""
    waited: list[float] = []

    async def ask() -> None:
        while True:
            began = time.monotonic()
            await other.get("/healthz")
            waited.append(time.monotonic() - began)

    asking = asyncio.create_task(ask())
    began = time.monotonic()
    for body in bodies:
        await client.post(path, body)
    took = time.monotonic() - began
    asking.cancel()
    return {
        "codes_per_s": round(codes_each * len(bodies) / took),
        "others_p99_ms": round(1000 * quantile(waited, 0.99), 1),
        "others_worst_ms": round(1000 * max(waited), 1),
    }


async def pages(client: Rest, path: str, cursors: Sequence[str], query: dict[str, str]) -> dict[str, float]:
    """Read the pages at the given cursors."""
    took = []
    for cursor in cursors:
        began = time.monotonic()
        await client.get(path, limit=str(LIMIT), cursor=cursor, **query)
        took.append(time.monotonic() - began)
    return {"p50_ms": round(1000 * quantile(took, 0.5), 1), "p99_ms": round(1000 * quantile(took, 0.99), 1)}


def show(figures: dict[str, Any], what: str, measured: dict[str, float]) -> None:
    figures |= {f"{what}_{name}": value for name, value in measured.items()}
    print(
        f"{what.replace('_', ' '):36}" + "".join(f"{name:>18} {value:10}" for name, value in measured.items()),
        flush=True,
    )


async def measure(sandbox: Sandbox, codes: int, seconds: float, clients: int, many: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"codes": codes, "clients": clients}
    tag = f"{random.getrandbits(40):x}"
    async with (
        rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client,
        rest.client(sandbox.probes_url, "") as other,
    ):
        no_quotas: dict[str, object] = {quota.field: None for quota in Quota}
        company = {"name": "bench", "currency": "USD", "time_zone": "UTC", **no_quotas}
        account = (await client.post("/v1/accounts", company))["id"]
        owners = f"/v1/accounts/{account}/sub-accounts"
        room = (await client.post(owners, {"user_id": "one", "name": "One room"}))["rooms"][0]["id"]
        codes_of = f"/v1/rooms/{room}/passcodes"
        show(figures, "fill", {"s": round(await fill(sandbox.database_url, account, room, codes), 1)})
        daemon = sandbox.daemon
        assert daemon is not None
        # The daemon's directory reads all changes that were made meanwhile, before anything is measured.
        await client.post(codes_of, {"role": "guest"})
        before = Usage.of(daemon.pid)
        show(figures, "passcodes", await singles(lambda _: client.post(codes_of, {"role": "guest"}), seconds, clients))
        used = Usage.of(daemon.pid).cpu_s - before.cpu_s
        show(figures, "passcodes_daemon", {"cpu_share": round(used / seconds, 2)})

        def owner(number: int) -> dict[str, object]:
            return {"user_id": f"{tag}-{random.getrandbits(64):x}", "name": f"Single {number}"}

        show(figures, "sub_accounts", await singles(lambda n: client.post(owners, owner(n)), seconds, clients))
        rows = {"items": [{"role": "guest", "label": f"seat {number}"} for number in range(BULK)]}
        show(figures, "bulk_passcodes", await bulks(client, other, f"{codes_of}/bulk", [rows] * 5, BULK))
        many_owners = [{"items": [owner(number) for number in range(BULK)]} for _ in range(3)]
        show(figures, "bulk_sub_accounts", await bulks(client, other, f"{owners}/bulk", many_owners, 2 * BULK))
        owner_places = await places(sandbox.database_url, "sub_accounts", "account_id", account, many)
        code_places = await places(sandbox.database_url, "passcodes", "room_id", room, many)
        for name, path, cursors, query in (
            ("list_sub_accounts", owners, owner_places, {}),
            ("list_sub_accounts_kind", owners, owner_places, {"kind": "project"}),
            ("list_sub_accounts_state", owners, owner_places, {"state": "suspended"}),
            ("list_sub_accounts_rare_label", owners, owner_places, {"label": "office:Bergen"}),
            ("list_sub_accounts_common_label", owners, owner_places, {"label": "office:Oslo"}),
            ("list_passcodes", codes_of, code_places, {}),
            ("list_passcodes_revoked", codes_of, code_places, {"state": "revoked"}),
            ("list_passcodes_host", codes_of, code_places, {"role": "host"}),
        ):
            show(figures, name, await pages(client, path, cursors, query))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--codes", type=int, default=CODES, help="passcodes in the database beforehand (default: 1000000)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="seconds of single creations of each kind (default: 10)"
    )
    parser.add_argument("--clients", type=int, default=16, help="clients at a time for single creations (16)")
    parser.add_argument("--pages", type=int, default=300, help="pages to read of each list (300)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        sandbox = Sandbox(Path(folder) / "s", print)
        try:
            sandbox.up()
            figures = asyncio.run(measure(sandbox, chosen.codes, chosen.seconds, chosen.clients, chosen.pages))
        finally:
            sandbox.remove()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
