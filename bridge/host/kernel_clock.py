"""What the kernel knows of its own clock, by adjtimex(2) and clock_gettime(2)."""

import ctypes
import time
from typing import Final

UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of <sys/timex.h>."""


class _Timex(ctypes.Structure):
    """`struct timex` as far as it is read here, and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def synchronised() -> bool | None:
    """Whether something keeps this machine's clock right; None where that cannot be asked."""
    asked = _Timex()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(asked))
    except (AttributeError, OSError):
        return None
    return None if answer < 0 else not asked.status & UNSYNCHRONISED


def wall_and_uptime_us() -> tuple[int, int]:
    """The wall clock less the time since this machine's boot, which only a step of the clock changes; and that time."""
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall = time.time_ns()
    uptime = (before + time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 2
    return (wall - uptime) // 1000, uptime // 1000
