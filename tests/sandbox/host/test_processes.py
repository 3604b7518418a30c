"""Processes found by their environment, and recognised as alive or ended."""

import sys
from pathlib import Path

from bridge.sandbox.host import processes

# The first thread ends by itself, as it may in a process that is being killed; the other goes on.
HALF_DEAD = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


def test_a_process_lives_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = processes.spawn([sys.executable, "-c", HALF_DEAD], {}, log)
    try:
        stat = Path(f"/proc/{process.pid}/stat")
        assert processes.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", 10.0)
        assert process.alive()
    finally:
        process.kill()
    assert not process.alive()
