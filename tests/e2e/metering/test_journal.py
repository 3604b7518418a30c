"""A record of a real call that was changed in Postgres: the journal shows the difference and restores the record."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed

FALSIFY = "UPDATE minute_records SET duration_us = 1, left_at = joined_at + interval '9 h' WHERE id = $1"


def verified(sandbox: Sandbox, since: str) -> tuple[int, Any]:
    """Exit status and outcome of `bridge journal verify`."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "journal", "verify", "--from", since, "--json"],
        env={**os.environ, **sandbox.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


async def test_what_was_changed_in_postgres_is_found_and_mended_beside_the_daemon(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    who = [SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"], 0.0),), stay=1.0) for member in firm.members[:2]]
    since = datetime.now(UTC).isoformat()
    await calls.place(who, sandbox.sip_address)
    before = await closed(api, firm.id, 2)
    status, found = verified(sandbox, since)
    assert (status, found["stays"], found["calls"], found["differences"]) == (0, 2, 2, [])
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("DELETE FROM minute_records WHERE id = $1", before[0]["id"])
            await connection.execute("DELETE FROM charges WHERE minute_record_id = $1", before[0]["id"])
            await connection.execute(FALSIFY, before[1]["id"])
        status, found = verified(sandbox, since)
        told = {one["id"]: one["verdict"] for one in found["differences"]}
        assert (status, told) == (1, {before[0]["id"]: "missing", before[1]["id"]: "differs"})
        assert "2 mended" in sandbox.bridge("journal", "rebuild", "--from", since, "--yes")
        assert verified(sandbox, since)[1]["differences"] == []
        after = await closed(api, firm.id, 2)
        told_apart = ("id", "corrects")
        assert [{**one, **dict.fromkeys(told_apart)} for one in after] == [
            {**one, **dict.fromkeys(told_apart)} for one in before
        ]
        assert (after[0]["id"], after[1]["corrects"]) == (before[0]["id"], before[1]["id"])
        [statement] = (await api.get("/v1/statements", account_id=firm.id, period=f"{datetime.now(UTC):%Y-%m}"))[
            "items"
        ]
        summed = await connection.fetchval("SELECT sum(amount) FROM charges WHERE account_id = $1", firm.id)
        assert summed == Decimal(statement["subtotal"])
    finally:
        await connection.close()
