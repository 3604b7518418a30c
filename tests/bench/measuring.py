"""Measuring tools that the benches share: quantiles, CPU time and memory of a process, and waiting for readiness."""

import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bridge.sandbox.stack import Sandbox


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which the given share (0 to 1) of `values` lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Usage:
    """CPU seconds of a process so far, and its resident memory in MB."""

    cpu_s: float
    resident_mb: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(times.user + times.system, process.memory_info().rss / 1e6)


def until_ready(sandbox: Sandbox, seconds: float = 30.0) -> None:
    """Wait until the daemon answers that every part of it is well. Raises OSError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{sandbox.probes_url}/readyz", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
