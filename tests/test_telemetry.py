"""Logs: one event, one line of JSON, and never a passcode."""

import json
import subprocess
import sys

FAULT = """
import structlog
from bridge import telemetry

telemetry.configure("info")

def converse(digits):
    keyed = digits
    raise RuntimeError("a fault")

with structlog.contextvars.bound_contextvars(call="n-1.2"):
    try:
        converse("74" + "13827")
    except RuntimeError:
        structlog.get_logger().exception("call_failed")
"""


def test_a_fault_is_one_line_without_the_digits_that_were_keyed() -> None:
    ran = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=True)
    [line] = ran.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["call"], told["level"]) == ("call_failed", "n-1.2", "error")
    assert "a fault" in line
    assert "7413827" not in line
