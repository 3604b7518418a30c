"""From the digit that completes a code to the room: the product against plain dialplan, in one run on one node.

Both sides have the shipped modules and configuration with the journal on. The baseline is `Read()` with as many digits
as a code has, then `ConfBridge()`. Blocks of both alternate, so that a noisy machine disturbs both alike. Times are
Asterisk's own: AMI `DTMFEnd` of the completing digit → `ConfbridgeJoin` of the same channel (`timestampevents`).
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import panoramisk

from bridge.sandbox import rest
from bridge.sandbox.callers import load
from bridge.sandbox.host import system
from bridge.sandbox.stack import ACCESS_NUMBER, Sandbox
from tests.bench.measuring import Usage, quantile, until_ready

BASELINE_NUMBER = "7000"
ROOMS = 25
HOLD_S = 2.0
BLOCKS = 4


@dataclass
class Watch:
    """Completing digits and joins, as AMI tells them. Times in seconds on Asterisk's clock."""

    length: int
    digits: dict[str, int] = field(default_factory=dict)
    completed: dict[str, float] = field(default_factory=dict)
    joined: dict[str, float] = field(default_factory=dict)

    def on_event(self, _: Any, event: Any) -> None:
        match event.event:
            case "DTMFEnd":
                count = self.digits[event.uniqueid] = self.digits.get(event.uniqueid, 0) + 1
                if count == self.length:
                    self.completed[event.uniqueid] = float(event.timestamp)
            case "ConfbridgeJoin":
                self.joined.setdefault(event.uniqueid, float(event.timestamp))

    def latencies_ms(self) -> list[float]:
        return [1000 * (self.joined[call] - at) for call, at in self.completed.items() if call in self.joined]


def add_bench_user(folder: Path, secret: str) -> None:
    """An AMI user that sees digits, which the product's own must not need."""
    with (folder / "manager.conf").open("a") as file:
        file.write(f"\n[bench]\nsecret = {secret}\nread = call,dtmf,reporting\nwrite = \nwritetimeout = 20000\n")
        for event in ("DTMFEnd", "ConfbridgeJoin"):
            file.write(f"eventfilter(action(include),name({event})) =\n")


def add_baseline(folder: Path, length: int) -> None:
    """The floor: the same prompt and the same rooms' profiles, in plain dialplan."""
    with (folder / "extensions.conf").open("a") as file:
        file.write(
            f"\n[bridge-in](+)\nexten => {BASELINE_NUMBER},1,Answer()\n"
            f" same => n,Read(CODE,hello&conf-getpin,{length})\n"
            " same => n,ConfBridge(${CODE},room,guest,guest_menu)\n same => n,Hangup()\n"
        )
    with (folder / "modules.conf").open("a") as file:
        file.write("require = app_read.so\n")


@dataclass(frozen=True)
class Node:
    """The node under test: where its AMI and SIP are, and codes that open its rooms."""

    ami: str
    sip: str
    secret: str
    codes: tuple[str, ...]


async def block(node: Node, number: str, rate: float, calls: int) -> list[float]:
    """Place calls and measure them, in ms. Fails when calls were lost: a figure without them would flatter."""
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
    try:
        report = await load.load(rate, calls, node.codes, number=number, target=node.sip, hold=HOLD_S)
    finally:
        manager.reconnect_timeout = 10**6  # panoramisk would connect again even after close()
        manager.close()
    found = watch.latencies_ms()
    if report.failures or len(found) < calls:
        short = sum(count < watch.length for count in watch.digits.values())
        unjoined = sum(call not in watch.joined for call in watch.completed)
        print(
            f"  {number}: of {calls} calls {len(watch.digits)} keyed, {short} with too few digits heard, {unjoined} "
            f"did not join; failures {dict(report.failures)}",
            file=sys.stderr,
        )
    if len(found) < 0.99 * calls:
        raise SystemExit(f"only {len(found)} of {calls} calls came from the completing digit into the room")
    return found


async def provision(sandbox: Sandbox) -> tuple[str, ...]:
    """ROOMS sub-accounts; a host and a guest code each, all of one length."""
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        account = await client.post("/v1/accounts", {"name": "bench", "currency": "USD", "time_zone": "UTC"})
        codes: list[str] = []
        for number in range(2 * ROOMS):
            body = {"user_id": f"u{number}", "name": f"User {number}"}
            made = await client.post(f"/v1/accounts/{account['id']}/sub-accounts", body)
            codes += [passcode["digits"] for passcode in made["rooms"][0]["passcodes"]]
    longest = max(map(len, codes))
    return tuple(code for code in codes if len(code) == longest)[-2 * ROOMS :]


async def measure(sandbox: Sandbox, node: Node, calls: int, rates: Sequence[int]) -> dict[str, float]:
    figures: dict[str, float] = {}
    product_calls = 0
    daemon = sandbox.daemon
    assert daemon is not None
    await block(node, BASELINE_NUMBER, 10, 50)
    await block(node, ACCESS_NUMBER, 10, 50)
    cpu_s = 0.0
    print(f"{'calls/s':>8} {'side':10} {'calls':>6} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8}")
    for rate in rates:
        found: dict[str, list[float]] = {"Read()": [], "bridge": []}
        for _ in range(BLOCKS):
            found["Read()"] += await block(node, BASELINE_NUMBER, rate, calls // BLOCKS)
            before = Usage.of(daemon.pid)
            found["bridge"] += await block(node, ACCESS_NUMBER, rate, calls // BLOCKS)
            cpu_s += Usage.of(daemon.pid).cpu_s - before.cpu_s
            product_calls += calls // BLOCKS
        for side, name in (("Read()", "baseline"), ("bridge", "bridge")):
            values = found[side]
            for share in (50, 90, 99):
                figures[f"{name}_p{share}_{rate}"] = round(quantile(values, share / 100), 3)
            p50, p90, p99 = (figures[f"{name}_p{share}_{rate}"] for share in (50, 90, 99))
            print(f"{rate:8} {side:10} {len(values):6} {p50:8.2f} {p90:8.2f} {p99:8.2f}", flush=True)
        for share in (50, 99):
            ratio = quantile(found["bridge"], share / 100) / quantile(found["Read()"], share / 100)
            figures[f"ratio_p{share}_{rate}"] = round(ratio, 3)
        print(
            f"{rate:8} ratio      {'':6} {figures[f'ratio_p50_{rate}']:8.2f} {'':8} {figures[f'ratio_p99_{rate}']:8.2f}"
        )
    figures["daemon_cpu_ms_per_call"] = round(1000 * cpu_s / product_calls, 3)
    figures["daemon_resident_mb"] = round(Usage.of(daemon.pid).resident_mb, 1)
    print(
        f"daemon: {figures['daemon_cpu_ms_per_call']} ms CPU a call (dialogue, journal and ledger), "
        f"{figures['daemon_resident_mb']} MB resident"
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls of each side at each rate")
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 40], help="calls a second")
    chosen = parser.parse_args()
    system.ensure(system.for_callers(), print)
    secret = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        sandbox = Sandbox(Path(folder) / "s", print)
        try:
            sandbox.up(["postgres", "asterisk", "daemon"])
            codes = asyncio.run(provision(sandbox))
            sandbox.stop("asterisk")
            add_bench_user(sandbox.asterisk.etc, secret)
            add_baseline(sandbox.asterisk.etc, len(codes[0]))
            sandbox.asterisk.start()
            until_ready(sandbox)
            node = Node(sandbox.environment["BRIDGE_AMI_ADDRESS"], sandbox.sip_address, secret, codes)
            figures = asyncio.run(measure(sandbox, node, chosen.calls, chosen.rates))
        finally:
            sandbox.remove()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
