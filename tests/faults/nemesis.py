"""Carries out the planned faults at their times, and heals them afterwards as a supervisor of services would."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bridge.sandbox.host import processes, sockets
from bridge.sandbox.host.processes import Process
from bridge.sandbox.host.system import Say
from bridge.sandbox.stack import Part, Sandbox
from tests.faults import tearing
from tests.faults.crowd import now_us
from tests.faults.link import Link
from tests.faults.plan import LANES, Fault, Kind, Lane

# The shortest pause between two faults of one lane, when healing took longer than planned.
BREATHER_S = 1.0
# How often the supervisor looks, and how long it waits before it starts a part that died by itself.
WATCH_S, RESTART_S = 0.5, 1.0
# The longest start of a daemon that counts as part of its fault. A longer one keeps callers out without a fault.
STARTED_S = 10.0
PARTS: dict[Kind, Part] = {
    **{kind: "daemon" for kind in (Kind.DAEMON_KILL, Kind.DAEMON_FREEZE, Kind.DAEMON_RESTART)},
    **{kind: "asterisk" for kind in (Kind.ASTERISK_KILL, Kind.ASTERISK_FREEZE, Kind.ASTERISK_RESTART)},
    **{kind: "postgres" for kind in (Kind.POSTGRES_KILL, Kind.POSTGRES_FREEZE, Kind.POSTGRES_RESTART)},
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault that was carried out. Times are in µs since 1970.

    The fault begins at `began_us`. A kill or stop has been delivered at `struck_us`. From `healed_us` on all is well.
    """

    kind: Kind
    lane: Lane
    began_us: int
    struck_us: int
    healed_us: int


class Nemesis:
    """Carries out faults on a sandbox and its links.

    `troubles` are the faults so far; `crashes` counts for each part how often it died by itself, `deaths` how often it
    died at all.
    """

    def __init__(self, sandbox: Sandbox, ari: Link, ami: Link, say: Say) -> None:
        self._sandbox = sandbox
        self._links = {Kind.ARI_CUT: ari, Kind.ARI_SILENCE: ari, Kind.AMI_CUT: ami, Kind.AMI_SILENCE: ami}
        self._say = say
        self._struck: Counter[Part] = Counter()
        self.troubles: list[Trouble] = []
        self.crashes: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()

    async def run(self, faults: Iterable[Fault], begin: float) -> None:
        """Carry out all faults; `begin` is the loop's time of the plan's second 0. Returns when the last is healed."""
        planned = list(faults)
        async with asyncio.TaskGroup() as tasks:
            for lane in LANES:
                tasks.create_task(self._lane([fault for fault in planned if fault.lane == lane], begin))

    async def supervise(self) -> None:
        """Start parts again that died by themselves. Never ends."""
        while True:
            await asyncio.sleep(WATCH_S)
            for part in ("daemon", "asterisk"):
                if not self._struck[part] and await asyncio.to_thread(self._sandbox.process, part) is None:
                    if self._struck[part]:
                        continue
                    self._say(f"the {part} has died by itself: that breaks a promise; it is started again")
                    self.crashes[part] += 1
                    self.deaths[part] += 1
                    await asyncio.sleep(RESTART_S)
                    await asyncio.to_thread(self._sandbox.restart, part)

    async def _lane(self, faults: Iterable[Fault], begin: float) -> None:
        clock = asyncio.get_running_loop().time
        free = begin
        for fault in faults:
            await asyncio.sleep(max(begin + fault.at_s, free) - clock())
            began = now_us()
            self._say(f"{clock() - begin:6.1f} s  {fault.kind}" + (f", {fault.length_s:.1f} s" * (fault.length_s > 0)))
            part = PARTS.get(fault.kind)
            if part:
                self._struck[part] += 1
            try:
                struck = await self._do(fault)
            finally:
                if part:
                    self._struck[part] -= 1
            self.troubles.append(Trouble(fault.kind, fault.lane, began, struck, now_us()))
            free = clock() + BREATHER_S

    async def _do(self, fault: Fault) -> int:
        """Carry out one fault and heal it. Returns when it had been delivered, in µs since 1970."""
        chance = random.Random(fault.seed)
        match fault.kind:
            case Kind.DAEMON_KILL | Kind.ASTERISK_KILL | Kind.POSTGRES_KILL:
                return await self._away(fault, Process.kill)
            case Kind.DAEMON_RESTART | Kind.ASTERISK_RESTART:
                return await self._away(fault, Process.stop)
            case Kind.POSTGRES_RESTART:
                return await self._away(fault, lambda _: self._sandbox.postgres.stop())
            case Kind.DAEMON_FREEZE | Kind.ASTERISK_FREEZE | Kind.POSTGRES_FREEZE:
                return await self._frozen(fault)
            case Kind.ARI_CUT | Kind.AMI_CUT:
                return await self._disturbed(fault, self._links[fault.kind].cut)
            case Kind.ARI_SILENCE | Kind.AMI_SILENCE:
                return await self._disturbed(fault, self._links[fault.kind].silence)
            case Kind.POSTGRES_CUT:
                return await self._terminate_backends()
            case Kind.DISK_FULL:
                return await self._disk_full(fault)
            case _:
                journal = self._sandbox.asterisk.journal
                try:
                    await asyncio.to_thread(tearing.TEARINGS[fault.kind], journal, chance)
                except FileNotFoundError:
                    self._say("         left out: there is no journal at this moment")
                return now_us()

    async def _away(self, fault: Fault, end: Callable[[Process], None]) -> int:
        part = PARTS[fault.kind]
        process = await asyncio.to_thread(self._sandbox.process, part)
        struck = now_us()
        if process is not None:
            await asyncio.to_thread(end, process)
            # A part that was killed bills nobody after the signal; one that ends in good order bills until it is gone.
            struck = now_us()
            self.deaths[part] += 1
        await asyncio.sleep(fault.length_s)
        await asyncio.to_thread(self._sandbox.restart, part)
        if part == "daemon":
            await asyncio.to_thread(self._until_served)
        return struck

    def _until_served(self) -> None:
        """Wait until the daemon serves: on a busy machine its start takes seconds, in which nobody can be let in."""
        port = int(self._sandbox.api_url.rpartition(":")[2])

        def serves() -> bool:
            daemon = self._sandbox.daemon
            return daemon is not None and ("tcp", port) in sockets.bound(daemon)

        processes.wait_until(serves, STARTED_S)

    async def _frozen(self, fault: Fault) -> int:
        part = PARTS[fault.kind]
        everyone = await asyncio.to_thread(self._everyone, part)
        try:
            for process in everyone:
                process.send(signal.SIGSTOP)
            struck = now_us()
            await asyncio.sleep(fault.length_s)
        finally:
            for process in everyone:
                process.send(signal.SIGCONT)
        return struck

    def _everyone(self, part: Part) -> list[Process]:
        """The processes of a part. Those of Postgres include its children, which would go on answering alone."""
        if part == "postgres":
            return processes.within(self._sandbox.postgres.home / "data")
        process = self._sandbox.process(part)
        return [process] if process else []

    async def _disturbed(self, fault: Fault, disturb: Callable[[], None]) -> int:
        link = self._links[fault.kind]
        disturb()
        struck = now_us()
        try:
            await asyncio.sleep(fault.length_s)
        finally:
            link.mend()
        return struck

    async def _terminate_backends(self) -> int:
        try:
            async with asyncio.timeout(5.0):
                connection = await asyncpg.connect(self._sandbox.database_url)
                try:
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                finally:
                    await connection.close(timeout=2.0)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            self._say("         left out: Postgres is away already")
        return now_us()

    async def _disk_full(self, fault: Fault) -> int:
        ballast = self._sandbox.asterisk.journal.with_name(".ballast")
        try:
            await asyncio.to_thread(_fill, ballast)
            struck = now_us()
            await asyncio.sleep(fault.length_s)
        finally:
            ballast.unlink(missing_ok=True)
        return struck


def _fill(ballast: Path) -> None:
    """Write zeros until the disk is full to the last byte."""
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(handle, bytes(size))
            except OSError:
                continue
    finally:
        os.close(handle)
