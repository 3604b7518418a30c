"""From the digit that completes a code to the room: the product against plain dialplan, in one run on one node.

Both sides have the shipped modules and configuration with the journal on. The baseline is `Read()` with as many digits
as a code has, then `ConfBridge()`. Blocks of both alternate, so that a noisy machine disturbs both alike. Times are
Asterisk's own: AMI `DTMFEnd` of the completing digit → `ConfbridgeJoin` of the same channel (`timestampevents`).
"""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import panoramisk
from bridge.sandbox import callers_load
from bridge.sandbox.stack import Sandbox

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


def bench_ami(folder: Path, secret: str) -> None:
    """An AMI user that sees digits, which the product's own must not need."""
    with (folder / "manager.conf").open("a") as file:
        file.write(f"\n[bench]\nsecret = {secret}\nread = call,dtmf,reporting\nwrite = \nwritetimeout = 20000\n")
        for event in ("DTMFEnd", "ConfbridgeJoin"):
            file.write(f"eventfilter(action(include),name({event})) =\n")


def baseline(folder: Path, length: int) -> None:
    """The floor: the same prompt and the same rooms' profiles, in plain dialplan."""
    with (folder / "extensions.conf").open("a") as file:
        file.write(
            f"\n[bridge-in](+)\nexten => {BASELINE_NUMBER},1,Answer()\n"
            f" same => n,Read(CODE,hello&conf-getpin,{length})\n"
            " same => n,ConfBridge(${CODE},room,guest,guest_menu)\n same => n,Hangup()\n"
        )
    with (folder / "modules.conf").open("a") as file:
        file.write("require = app_read.so\n")


async def block(watch_at: str, secret: str, target: str, number: str, codes: Sequence[str], rate: float, calls: int) -> list[float]:
    """Place calls and measure them. Fails when a call was lost: a figure without it would flatter."""
    host, port = watch_at.rsplit(":", 1)
    manager = panoramisk.Manager(
        loop=asyncio.get_running_loop(), host=host, port=int(port), username="bench", secret=secret, encoding="latin-1"
    )
    watch = Watch(len(codes[0]))
    manager.register_event("DTMFEnd", watch.on_event)
    manager.register_event("ConfbridgeJoin", watch.on_event)
    await manager.connect()
    try:
        report = await callers_load.load(rate, calls, codes, number=number, target=target, hold=HOLD_S)
    finally:
        manager.reconnect_timeout = 10**6
        manager.close()
    found = watch.latencies_ms()
    if report.failures:
        print(f"  {dict(report.failures)}", file=sys.stderr)
    if len(found) < 0.99 * calls:
        raise SystemExit(f"only {len(found)} of {calls} calls came from the completing digit into the room")
    return found


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
