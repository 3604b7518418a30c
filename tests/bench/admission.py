"""Measures the way from the digit that completes a code into the room, beside what an operator would otherwise build.

Four sides take turns on one node, with the shipped modules and configuration and the journal on: the product; plain
dialplan that looks nothing up (the floor); `Read()` with FastAGI and a look-up in Postgres; `Read()` with `func_odbc`.
The order of the sides changes from round to round, so that a noisy machine disturbs all alike. Times are Asterisk's
own: from AMI `DTMFEnd` of the completing digit to `ConfbridgeJoin` of the same channel (`timestampevents`).
"""

import argparse
import asyncio
import itertools
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import panoramisk
import psutil

from bridge.sandbox import rest
from bridge.sandbox.callers import load
from bridge.sandbox.callers.load import LoadReport
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import system
from bridge.sandbox.stack import Sandbox
from tests.bench import alternatives
from tests.bench.measuring import Usage, quantile, until_ready

ROOMS: Final = 25
HOLD_S: Final = 2.0
WARM_UP_CALLS, WARM_UP_RATE = 50, 10
# After the last call of a block, the journal, the ledger and Postgres still work for it.
SETTLE_S: Final = 1.0
# How long the CPU time of the parts is measured without calls.
IDLE_S: Final = 5.0
PRODUCT: Final = "bridge"
# A round each. Every side stands once at every place, and comes once right after every other.
ORDERS: Final = ((0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1))
# Callers whose audio stalls for so long send digits in a burst. A block with such a stall is placed again, whichever
# side it measures, at most so often.
STALL_S, MOST_REPEATS = 0.06, 2
TICK_S: Final = 0.01
# Shares of the calls of a block.
MOST_GARBLED, MOST_OUTSIDE = 0.05, 0.01
# What the product's median may be of that of FastAGI, by calls a second.
MOST_OF_FASTAGI: Final[Mapping[int, float]] = {20: 0.75, 40: 0.55}
QUANTILES: Final = (50, 90, 99)
PARTS: Final = ("asterisk", "daemon", "fastagi", "postgres")


@dataclass(frozen=True)
class Side:
    """One way into a room: its name in the JSON figures, its label in the table, and the number to dial."""

    name: str
    label: str
    number: str


@dataclass
class Watch:
    """Digits and joins by channel, as AMI reports them. Times are in seconds on Asterisk's clock."""

    length: int
    digits: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    completed: dict[str, float] = field(default_factory=dict)
    joined: dict[str, float] = field(default_factory=dict)

    def on_event(self, _: Any, event: Any) -> None:
        match event.event:
            case "DTMFEnd":
                # Every caller has a number of its own. The daemon puts it on the channel in its canonical form.
                self.channels[event.calleridnum.removeprefix("+")] = event.uniqueid
                digits = self.digits[event.uniqueid] = self.digits.get(event.uniqueid, "") + event.digit
                if len(digits) == self.length:
                    self.completed[event.uniqueid] = float(event.timestamp)
            case "ConfbridgeJoin":
                self.joined.setdefault(event.uniqueid, float(event.timestamp))

    def latencies_ms(self, codes: Mapping[str, str]) -> list[float]:
        """The time from the completing digit to the join, of all whose digits arrived as they were sent."""
        calls = [self.channels[caller] for caller, code in codes.items() if self.heard(caller) == code]
        return [1000 * (self.joined[call] - self.completed[call]) for call in calls if call in self.joined]

    def garbled(self, codes: Mapping[str, str]) -> list[str]:
        """Callers whose digits did not reach Asterisk as they were sent: lost, or heard twice."""
        return [caller for caller, code in codes.items() if self.heard(caller) != code]

    def outside(self, codes: Mapping[str, str]) -> list[str]:
        """Callers whose whole code reached Asterisk, and who did not come into a room."""
        return [
            caller
            for caller, code in codes.items()
            if self.heard(caller) == code and self.channels[caller] not in self.joined
        ]

    def heard(self, caller: str) -> str:
        """The digits that Asterisk heard from a caller."""
        return self.digits.get(self.channels.get(caller, ""), "")


def add_bench_user(folder: Path, secret: str) -> None:
    """Add an AMI user that sees digits, which the product's own user must not need."""
    with (folder / "manager.conf").open("a") as file:
        file.write(f"\n[bench]\nsecret = {secret}\nread = call,dtmf,reporting\nwrite = \nwritetimeout = 20000\n")
        for event in ("DTMFEnd", "ConfbridgeJoin"):
            file.write(f"eventfilter(action(include),name({event})) =\n")


@dataclass(frozen=True)
class Node:
    """The node under test: its AMI and SIP addresses, one code for each room, and a file for what callers saw."""

    ami: str
    sip: str
    secret: str
    codes: tuple[str, ...]
    callers_log: Path
    # Every caller has a number of its own: a lockout that one of them causes then delays no other.
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(4_930_000_000))


@dataclass(frozen=True)
class Parts:
    """CPU seconds so far of all processes that serve calls."""

    asterisk: float
    daemon: float
    fastagi: float
    postgres: float

    @classmethod
    def of(cls, sandbox: Sandbox, fastagi_pid: int) -> "Parts":
        def cpu_s(pid: int | None) -> float:
            return Usage.of(pid).cpu_s if pid else 0.0

        pids = {part: process.pid for part in ("asterisk", "daemon", "postgres") if (process := sandbox.process(part))}
        return cls(
            cpu_s(pids.get("asterisk")), cpu_s(pids.get("daemon")), cpu_s(fastagi_pid), _family_s(pids.get("postgres"))
        )

    def since(self, before: "Parts") -> "Parts":
        return self.plus(before, -1.0)

    def plus(self, other: "Parts", times: float = 1.0) -> "Parts":
        return Parts(
            self.asterisk + times * other.asterisk,
            self.daemon + times * other.daemon,
            self.fastagi + times * other.fastagi,
            self.postgres + times * other.postgres,
        )


NOTHING: Final = Parts(0.0, 0.0, 0.0, 0.0)


def _family_s(pid: int | None) -> float:
    """CPU seconds of a process and its children, those that have ended included; 0 if there is none."""
    if pid is None:
        return 0.0
    parent = psutil.Process(pid)
    own = parent.cpu_times()
    total: float = own.user + own.system + own.children_user + own.children_system
    for child in parent.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


@dataclass(frozen=True)
class Measured:
    """The latencies of a block in ms, the CPU time of the parts, and how many seconds the block took."""

    latencies: list[float]
    cpu: Parts
    seconds: float


@dataclass(frozen=True)
class Block:
    """The latencies of one block of calls in ms, and the longest time in seconds for which its callers stalled."""

    latencies: list[float]
    stall_s: float


async def block(node: Node, side: Side, rate: float, calls: int) -> Block:
    """Place calls to one side, and measure them.

    A busy machine sends digits in bursts, and Asterisk may then report some of them twice; such calls are left out, and
    are counted under the table. Raises SystemExit when they are over 5 % of the calls, or when over 1 % of the calls
    did not get in in spite of a right code: a figure without them would flatter.
    """
    host, port = node.ami.rsplit(":", 1)
    manager = panoramisk.Manager(
        loop=asyncio.get_running_loop(),
        host=host,
        port=int(port),
        username="bench",
        secret=node.secret,
        encoding="latin-1",
    )
    watch = Watch(len(node.codes[0]))
    manager.register_event("DTMFEnd", watch.on_event)
    manager.register_event("ConfbridgeJoin", watch.on_event)
    await manager.connect()
    callers = [str(next(node.numbers)) for _ in range(calls)]
    codes = dict(zip(callers, itertools.cycle(node.codes)))
    late: list[float] = [0.0]
    ticking = asyncio.create_task(_tick(late))
    try:
        report = await load.load(
            rate, calls, node.codes, number=side.number, target=node.sip, hold=HOLD_S, callers=callers
        )
    finally:
        ticking.cancel()
        manager.reconnect_timeout = 10**6  # panoramisk would connect again even after close()
        manager.close()
    await asyncio.sleep(SETTLE_S)
    write_callers(node.callers_log, side, codes, report, watch)
    latencies, garbled, outside = watch.latencies_ms(codes), watch.garbled(codes), watch.outside(codes)
    if report.failures or len(latencies) < calls:
        print(
            f"  {side.label}: of {calls} callers, {_some(garbled)} sent digits that did not arrive as sent; "
            f"{_some(outside)} sent a right code and did not join. SIPp's failures: {dict(report.failures) or 'none'}",
            file=sys.stderr,
        )
    if max(late) >= STALL_S:
        print(f"  {side.label}: the callers stalled for {1000 * max(late):.0f} ms", file=sys.stderr)
    if len(garbled) > MOST_GARBLED * calls and max(late) < STALL_S:
        raise SystemExit(
            f"{side.label}: the digits of {len(garbled)} of {calls} callers did not arrive as they were sent, and "
            "the callers had not stalled."
        )
    if len(outside) > MOST_OUTSIDE * calls:
        raise SystemExit(
            f"{side.label}: {len(outside)} of {calls} callers with a right code did not get into the room."
        )
    return Block(latencies, max(late))


async def _tick(late: list[float]) -> None:
    """Append the seconds by which each tick was late. Never ends."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + TICK_S
        await asyncio.sleep(TICK_S)
        late.append(clock() - due)


async def steady_block(sandbox: Sandbox, node: Node, side: Side, rate: float, calls: int, server: int) -> Measured:
    """Place a block of calls until its callers do not stall, at most 1 + MOST_REPEATS times."""
    for _ in range(1 + MOST_REPEATS):
        before, began = Parts.of(sandbox, server), time.monotonic()
        placed = await block(node, side, rate, calls)
        measured = Measured(placed.latencies, Parts.of(sandbox, server).since(before), time.monotonic() - began)
        if placed.stall_s < STALL_S:
            break
    if len(measured.latencies) < (1 - MOST_GARBLED) * calls:
        raise SystemExit(
            f"{side.label}: only {len(measured.latencies)} of {calls} calls can be measured. "
            "This machine is too busy to measure on: stop what else runs, and try again."
        )
    return measured


def write_callers(path: Path, side: Side, codes: Mapping[str, str], report: LoadReport, watch: Watch) -> None:
    """Append a line of JSON for each call: what the caller did, and what Asterisk heard of it."""
    callers = list(codes)
    with path.open("a") as file:
        for log in report.logs:
            # SIPp's Call-ID begins with its call number, from 1 on.
            caller = callers[(int(log.call_id.partition("-")[0]) - 1) % len(callers)]
            channel = watch.channels.get(caller, "")
            line = {
                "side": side.name,
                "caller": caller,
                "call_id": log.call_id,
                "status": log.status,
                "invited_at": log.invited_at,
                "answered_at": log.answered_at,
                "ended_at": log.ended_at,
                "ended_by": log.ended_by,
                "code": codes[caller],
                "heard": watch.heard(caller),
                "uniqueid": channel,
                "completed": watch.completed.get(channel),
                "joined": watch.joined.get(channel),
            }
            file.write(json.dumps(line, default=str) + "\n")


def _some(callers: Sequence[str]) -> str:
    """Return the number of callers and the first five, as text."""
    if not callers:
        return "none"
    return f"{len(callers)} ({', '.join(callers[:5])}{' …' if len(callers) > 5 else ''})"


async def provision(sandbox: Sandbox) -> tuple[str, ...]:
    """Create sub-accounts, and return the guests' codes of ROOMS of them, all of one length."""
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        account = await client.post("/v1/accounts", {"name": "bench", "currency": "USD", "time_zone": "UTC"})
        codes: list[str] = []
        for number in range(2 * ROOMS):
            body = {"user_id": f"u{number}", "name": f"User {number}"}
            made = await client.post(f"/v1/accounts/{account['id']}/sub-accounts", body)
            [room] = made["rooms"]
            codes += [passcode["digits"] for passcode in room["passcodes"] if passcode["role"] == "guest"]
    longest = max(map(len, codes))
    return tuple(code for code in codes if len(code) == longest)[-ROOMS:]


@dataclass
class Results:
    """Latencies in ms by side and rate; CPU seconds and calls by side. `idle` is CPU time in a second without calls."""

    idle: Parts
    latencies: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    cpu: dict[str, Parts] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def add(self, side: Side, rate: int, latencies: Sequence[float], calls: int, cpu: Parts) -> None:
        self.latencies.setdefault((side.name, rate), []).extend(latencies)
        self.cpu[side.name] = self.cpu.get(side.name, NOTHING).plus(cpu)
        self.calls[side.name] = self.calls.get(side.name, 0) + calls

    def figures(self, sides: Sequence[Side], rates: Sequence[int]) -> dict[str, float]:
        """All figures by name. Ratios are the product's figure divided by the other side's."""
        figures: dict[str, float] = {}
        for rate, side in itertools.product(rates, sides):
            for share in QUANTILES:
                value = quantile(self.latencies[side.name, rate], share / 100)
                figures[f"{side.name}_p{share}_{rate}"] = round(value, 3)
        for rate, side, share in itertools.product(rates, sides, QUANTILES):
            if side.name != PRODUCT:
                other, product = figures[f"{side.name}_p{share}_{rate}"], figures[f"{PRODUCT}_p{share}_{rate}"]
                figures[f"ratio_to_{side.name}_p{share}_{rate}"] = round(product / other, 3)
        for side in sides:
            measured = sum(len(self.latencies[side.name, rate]) for rate in rates)
            figures[f"{side.name}_calls_left_out"] = self.calls[side.name] - measured
            for part in PARTS:
                ms = 1000 * getattr(self.cpu[side.name], part) / self.calls[side.name]
                figures[f"{side.name}_{part}_cpu_ms_per_call"] = round(ms, 3)
        figures["daemon_cpu_ms_per_call"] = figures[f"{PRODUCT}_daemon_cpu_ms_per_call"]
        for part in PARTS:
            figures[f"idle_{part}_cpu_ms_per_s"] = round(1000 * getattr(self.idle, part), 3)
        return figures


async def measure(
    sandbox: Sandbox, node: Node, sides: Sequence[Side], calls: int, rates: Sequence[int], fastagi_pid: int
) -> dict[str, float]:
    """Warm all sides up, measure them in turns, and print the tables."""
    for side in sides:
        await block(node, side, WARM_UP_RATE, min(WARM_UP_CALLS, calls))
    before = Parts.of(sandbox, fastagi_pid)
    await asyncio.sleep(IDLE_S)
    results = Results(NOTHING.plus(Parts.of(sandbox, fastagi_pid).since(before), 1 / IDLE_S))
    for rate in rates:
        for number, order in enumerate(ORDERS, 1):
            print(f"{rate} calls/s, round {number} of {len(ORDERS)}: {', '.join(sides[n].label for n in order)}")
            for side in (sides[place] for place in order):
                measured = await steady_block(sandbox, node, side, rate, calls // len(ORDERS), fastagi_pid)
                cpu = measured.cpu.plus(results.idle, -measured.seconds)
                results.add(side, rate, measured.latencies, calls // len(ORDERS), cpu)
    figures = results.figures(sides, rates)
    daemon = sandbox.daemon
    assert daemon is not None
    figures["daemon_resident_mb"] = round(Usage.of(daemon.pid).resident_mb, 1)
    figures["calls_of_each_side"] = calls // len(ORDERS) * len(ORDERS)
    print(table(figures, sides, rates))
    return figures


def table(figures: Mapping[str, float], sides: Sequence[Side], rates: Sequence[int]) -> str:
    """The tables for people: latencies with the product's ratio to each side, then CPU time."""
    lines = [
        f"\nFrom the completing digit into the room, {figures['calls_of_each_side']} calls of each side at each rate",
        f"{'calls/s':>7}  {'side':20} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8}   bridge's p50 and p99 to it",
    ]
    for rate in rates:
        for side in sides:
            cells = " ".join(f"{figures[f'{side.name}_p{share}_{rate}']:8.2f}" for share in QUANTILES)
            lines.append(f"{rate:7}  {side.label:20} {cells}   {_ratios(figures, side, rate)}".rstrip())
    lines += [
        "\nCPU time that one call adds, ms (the daemon's includes dialogue, journal and ledger)",
        f"{'':7}  {'side':20} {'Asterisk':>9} {'daemon':>9} {'FastAGI':>9} {'Postgres':>9}",
    ]
    for side in sides:
        cells = " ".join(f"{figures[f'{side.name}_{part}_cpu_ms_per_call']:9.2f}" for part in PARTS)
        lines.append(f"{'':7}  {side.label:20} {cells}")
    cells = " ".join(f"{figures[f'idle_{part}_cpu_ms_per_s']:9.2f}" for part in PARTS)
    lines.append(f"{'':7}  {'a second, no calls':20} {cells}")
    left_out = ", ".join(f"{side.label} {figures[f'{side.name}_calls_left_out']}" for side in sides)
    lines.append(f"\nThe daemon has {figures['daemon_resident_mb']} MB resident.")
    lines.append(f"Calls left out, of garbled digits or without a join: {left_out}.")
    return "\n".join(lines)


def _ratios(figures: Mapping[str, float], side: Side, rate: int) -> str:
    if side.name == PRODUCT:
        return ""
    ratio = figures[f"ratio_to_{side.name}_p50_{rate}"]
    text = f"{ratio:.2f} {figures[f'ratio_to_{side.name}_p99_{rate}']:.2f}"
    most = MOST_OF_FASTAGI.get(rate) if side.name == "fastagi" else None
    if most is None:
        return text
    return f"{text}   wanted: p50 at most {most:.2f}: {'reached' if ratio <= most else 'MISSED'}"


@contextmanager
def kept_on_failure(sandbox: Sandbox) -> Iterator[None]:
    """Copy all logs to a folder that stays, and say where it is, when the block fails."""
    try:
        yield
    except BaseException:
        kept = Path(tempfile.mkdtemp(prefix="bridge-bench-admission-failed-"))
        asterisk = sandbox.folder / "node"
        for path in (sandbox.folder / "log", asterisk / "log", asterisk / "etc", asterisk / "journal"):
            if path.is_dir():
                shutil.copytree(path, kept / path.relative_to(sandbox.folder), dirs_exist_ok=True)
        for path in (sandbox.folder / "callers.jsonl", sandbox.folder / "fastagi.log"):
            if path.exists():
                shutil.copy(path, kept)
        print(
            f"The bench failed. Logs of the daemon (log/), of Asterisk (node/) and of the callers (callers.jsonl, one "
            f"line a call) are in {kept}",
            file=sys.stderr,
        )
        raise


def run(sandbox: Sandbox, calls: int, rates: Sequence[int]) -> dict[str, float]:
    """The whole bench in a sandbox that is still empty."""
    secret = secrets.token_hex(16)
    sandbox.up(["postgres", "asterisk", "daemon"])
    codes = asyncio.run(provision(sandbox))
    sandbox.stop("asterisk")
    with alternatives.free_port() as port:
        ways = alternatives.alternatives(port)
        rooms = {code: f"comparison-{number}" for number, code in enumerate(codes)}
        asyncio.run(alternatives.fill(sandbox.database_url, rooms))
        add_bench_user(sandbox.asterisk.etc, secret)
        alternatives.configure(sandbox.asterisk, ways, len(codes[0]), sandbox.database_url)
        sandbox.asterisk.start()
        until_ready(sandbox)
        environment = sandbox.environment
        node = Node(
            environment["BRIDGE_AMI_ADDRESS"], sandbox.sip_address, secret, codes, sandbox.folder / "callers.jsonl"
        )
        sides = [*(Side(way.name, way.label, way.number) for way in ways), Side(PRODUCT, PRODUCT, ACCESS_NUMBER)]
        log = sandbox.folder / "fastagi.log"
        with alternatives.fastagi_server(port, sandbox.database_url, log) as server:
            return asyncio.run(measure(sandbox, node, sides, calls, rates, server.pid))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="make bench-admission"
    )
    parser.add_argument("--calls", type=int, default=2000, help="calls of each side at each rate (2000)")
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 40], help="calls a second (20 40)")
    chosen = parser.parse_args()
    if chosen.calls < len(ORDERS):
        parser.error(f"--calls must be at least {len(ORDERS)}: the calls are placed in {len(ORDERS)} rounds")
    system.ensure([*system.for_callers(), *alternatives.for_odbc()], print)
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        sandbox = Sandbox(Path(folder) / "s", print)
        try:
            with kept_on_failure(sandbox):
                figures = run(sandbox, chosen.calls, chosen.rates)
        finally:
            sandbox.remove()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
