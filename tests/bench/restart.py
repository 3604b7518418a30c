"""Measures the time from a kill of the daemon to the first caller served, with a million passcodes.

The daemon is killed with `kill -9`, and started at once by the sandbox's own command, as a service manager would do.
Two real callers take part in each restart. The first is in the prompt when the daemon dies. The second dials at that
moment, hears music, is then prompted, keys a code and is admitted. Times come from Asterisk's own events on an ARI
websocket of the bench; the time of the daemon's ARI connection comes from its log. Half of the restarts happen with
Postgres stopped.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text

from bridge.asterisk.ari import prompts
from bridge.domain.admission.prompt import Prompt
from bridge.sandbox import company, rest
from bridge.sandbox.callers import calls, media
from bridge.sandbox.callers.calls import SipCaller
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import processes, system
from bridge.sandbox.stack import Sandbox
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from tests.bench.measuring import Usage, quantile, until_ready

CODES = 1_000_000
CODES_A_STATEMENT = 100_000
FILLER_LENGTH = 12
PATIENCE_S = 30.0
AGAIN = f"sound:{prompts.SOUNDS[Prompt.PASSCODE_AGAIN][0]}"
IN_PROMPT, IN_MUSIC = "49305550001", "49305550002"

# Two codes for each sub-account, as provisioning makes them. Random digests serve here as well as those of real digits.
FILL = (
    "INSERT INTO sub_accounts (id, account_id, user_id, name, kind) "
    "SELECT gen_random_uuid(), :account, 'filler-' || n, 'Filler ' || n, 'employee' "
    "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n",
    "INSERT INTO rooms (id, account_id, sub_account_id, name) "
    "SELECT gen_random_uuid(), account_id, id, name FROM sub_accounts "
    "WHERE account_id = :account AND NOT EXISTS (SELECT FROM rooms WHERE sub_account_id = sub_accounts.id)",
    "INSERT INTO passcodes (id, account_id, room_id, role, digest, length, sealed) "
    "SELECT gen_random_uuid(), account_id, rooms.id, role, sha256(uuid_send(gen_random_uuid())), :length, "
    "sha256(uuid_send(rooms.id)) || '\\x00010203040506'::bytea "
    "FROM rooms CROSS JOIN (VALUES ('host'), ('guest')) AS each(role) "
    "WHERE account_id = :account AND NOT EXISTS (SELECT FROM passcodes WHERE room_id = rooms.id)",
)


async def fill(url: str, account_id: str, codes: int) -> float:
    """Fill Postgres with live codes, through the same tables and triggers as in production. Returns seconds."""
    began = time.monotonic()
    chunk = CODES_A_STATEMENT // 2
    async with Database(url, command_s=None) as database:
        for first in range(1, codes // 2 + 1, chunk):
            values = {"account": account_id, "first": first, "last": min(first + chunk - 1, codes // 2)}
            async with database.transaction() as connection:
                await locks.lock_code_space(connection)
                for statement in FILL:
                    await connection.execute(text(statement), values | {"length": FILLER_LENGTH})
    return time.monotonic() - began


@dataclass
class Watch:
    """Events of calls by the caller's number, in seconds on Asterisk's clock."""

    greeted: dict[str, list[float]] = field(default_factory=dict)
    again: dict[str, list[float]] = field(default_factory=dict)
    digits: dict[str, list[float]] = field(default_factory=dict)
    joined: dict[str, list[float]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _callers: dict[str, str] = field(default_factory=dict)

    async def take(self, event: dict[str, Any]) -> None:
        channel = event.get("channel") or {}
        if number := channel.get("caller", {}).get("number"):
            self._callers[channel["id"]] = number
        playback = event.get("playback") or {}
        who = self._callers.get(channel.get("id") or playback.get("target_uri", "").removeprefix("channel:"))
        kept = {
            "PlaybackStarted": self.again if playback.get("media_uri") == AGAIN else self.greeted,
            "ChannelDtmfReceived": self.digits,
            "ChannelEnteredBridge": self.joined,
        }.get(event["type"])
        if who is not None and kept is not None:
            async with self.changed:
                kept.setdefault(who, []).append(datetime.fromisoformat(event["timestamp"]).timestamp())
                self.changed.notify_all()

    async def first(self, kept: dict[str, list[float]], who: str, since: float) -> float:
        """Wait for the first event of one kind for a caller since an instant, and return its time."""

        def found() -> float | None:
            return next((at for at in kept.get(who, ()) if at >= since), None)

        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: found() is not None)
        at = found()
        assert at is not None
        return at


@contextlib.asynccontextmanager
async def watching(sandbox: Sandbox) -> AsyncIterator[Watch]:
    """Run a second ARI application that sees every channel and sends no commands, for the length of a block."""
    watch = Watch()
    settings = sandbox.environment
    headers = {"Authorization": aiohttp.encode_basic_auth(settings["BRIDGE_ARI_USER"], settings["BRIDGE_ARI_PASSWORD"])}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"{settings['BRIDGE_ARI_URL']}/ari/events?app=bench&subscribeAll=true"
        async with session.ws_connect(url, max_msg_size=0) as socket:

            async def follow() -> None:
                async for message in socket:
                    await watch.take(json.loads(message.data))

            following = asyncio.create_task(follow())
            try:
                yield watch
            finally:
                following.cancel()


@dataclass(frozen=True)
class Restart:
    """One restart, in seconds since the kill. `admitted` is without the time the caller took to key."""

    connected: float
    prompted_again: float
    prompted: float
    admitted: float
    keying: float
    resident_mb: float


async def restart(sandbox: Sandbox, watch: Watch, code: str) -> Restart:
    """Kill the daemon in the middle of a dialogue, start it again, and follow two callers until both are served."""
    running = sandbox.daemon
    assert running is not None
    command, kept = [str(sandbox.folder / "daemon")], sandbox.daemon_log
    early, late = (SipCaller(ACCESS_NUMBER, caller=number, stay=120.0) for number in (IN_PROMPT, IN_MUSIC))
    dialled = time.time()
    async with calls.start(early, sandbox.sip_address) as first:
        await watch.first(watch.greeted, IN_PROMPT, dialled)
        said = kept.stat().st_size
        killed = time.time()
        running.kill()
        process = processes.spawn(command, os.environ, kept)
        async with calls.start(late, sandbox.sip_address) as second:
            prompted = await watch.first(watch.greeted, IN_MUSIC, killed)
            keyed = time.time()
            await second.key(code)
            joined = await watch.first(watch.joined, IN_MUSIC, keyed)
            keying = watch.digits[IN_MUSIC][-1] - prompted
            again = await watch.first(watch.again, IN_PROMPT, killed)
            found = Restart(
                await connected(kept, said) - killed,
                again - killed,
                prompted - killed,
                joined - killed - keying,
                keying,
                Usage.of(process.pid).resident_mb,
            )
            await second.hang_up()
        await first.hang_up()
    return found


async def connected(kept: Path, offset: int) -> float:
    """The time at which the daemon whose log begins at `offset` was connected to ARI."""
    lines = await logged(kept, offset, lambda line: line.get("event") == "connected" and line.get("what") == "ari")
    return datetime.fromisoformat(lines[0]["timestamp"]).timestamp()


async def logged(kept: Path, offset: int, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Wait for log lines of one kind after `offset`, and return them."""
    async with asyncio.timeout(10 * PATIENCE_S):
        while True:
            with kept.open("rb") as file:
                file.seek(offset)
                whole = file.read().rpartition(b"\n")[0].splitlines()
            if lines := [line for line in map(json.loads, whole) if wanted(line)]:
                return lines
            await asyncio.sleep(0.05)


SHOWN = ("connected", "prompted_again", "prompted", "admitted")
HEADS = ("ARI connected", "prompt again", "first prompt", "admission")


async def measure(sandbox: Sandbox, codes: int, times: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        account = await client.post("/v1/accounts", {"name": "bench", "currency": "USD", "time_zone": "UTC"})
        sandbox.stop("daemon")
        figures["fill_s"] = round(await fill(sandbox.database_url, account["id"], codes), 1)
        said, began = sandbox.daemon_log.stat().st_size, time.monotonic()
        await asyncio.to_thread(sandbox.up)
        await logged(sandbox.daemon_log, said, lambda line: line.get("event") == "directory_filled")
        figures["directory_filled_s"] = round(time.monotonic() - began, 1)
        firm = await company.create(client, "Northwind Legal")
    code = firm.members[0].digits["guest"]
    figures |= {"codes": codes, "code_length": len(code), "restarts": times}
    print(
        f"{codes} codes: {figures['fill_s']} s into Postgres, {figures['directory_filled_s']} s into the directory "
        f"(start of the daemon included)\n{'seconds since the kill':24}" + "".join(f"{head:>16}" for head in HEADS),
        flush=True,
    )
    async with watching(sandbox) as watch:
        for name, away in (("postgres_there", False), ("postgres_away", True)):
            if away:
                await asyncio.to_thread(sandbox.stop, "postgres")
            seen = []
            for _ in range(times):
                if not away:
                    await asyncio.to_thread(until_ready, sandbox)
                seen.append(await restart(sandbox, watch, code))
            for kind, share in (("median", 0.5), ("worst", 1.0)):
                row = [quantile([getattr(each, what) for each in seen], share) for what in SHOWN]
                figures |= {f"{name}_{what}_{kind}_s": round(s, 3) for what, s in zip(SHOWN, row, strict=True)}
                print(f"{name.replace('_', ' ') + ', ' + kind:24}" + "".join(f"{s:16.2f}" for s in row), flush=True)
            figures[f"{name}_resident_mb"] = round(max(each.resident_mb for each in seen), 1)
            figures[f"{name}_keying_s"] = round(quantile([each.keying for each in seen], 0.5), 2)
    print(
        f"admission: without the {figures['postgres_there_keying_s']} s in which a caller keys {len(code)} digits at "
        f"{1000 * media.DIGIT_SECONDS:.0f} ms each; daemon: {figures['postgres_there_resident_mb']} MB resident"
    )
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=CODES, help="live passcodes in the directory (1000000)")
    parser.add_argument(
        "--times",
        type=int,
        default=10,
        help="restarts with Postgres running, and as many with it stopped (default: 10)",
    )
    chosen = parser.parse_args(arguments)
    system.ensure(system.for_callers(), print)
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        sandbox = Sandbox(Path(folder) / "s", print)
        try:
            sandbox.up()
            figures = asyncio.run(measure(sandbox, chosen.codes, chosen.times))
        finally:
            sandbox.remove()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
