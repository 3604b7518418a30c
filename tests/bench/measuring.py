"""What the benches measure with."""

import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bridge.sandbox.stack import Sandbox


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Usage:
    """CPU seconds and resident memory of a process so far."""

    cpu_s: float
    resident_mb: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(times.user + times.system, process.memory_info().rss / 1e6)


def until_ready(sandbox: Sandbox, seconds: float = 30.0) -> None:
    """Wait until the daemon is connected again. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{sandbox.api_url}/readyz", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
