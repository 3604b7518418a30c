"""Readings of the kernel's clock, by adjtimex(2) and clock_gettime(2)."""

import ctypes
import time
from typing import Final

UNSYNCHRONISED: Final = 0x0040
"""The flag STA_UNSYNC of <sys/timex.h>: no time server keeps the clock."""


class _Timex(ctypes.Structure):
    """The first fields of `struct timex`, up to the last that is read here, and space for the others."""

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
    """Return True if a time server keeps this machine's clock right, and None if the kernel does not say."""
    timex = _Timex()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (AttributeError, OSError):
        return None
    return None if answer < 0 else not timex.status & UNSYNCHRONISED


def wall_and_uptime_us() -> tuple[int, int]:
    """Return the wall clock minus the time since this machine's boot, and the time since boot, both in µs.

    Only a step of the clock changes the first of them: a time server's slow adjustment changes both clocks alike.
    """
    # The wall clock is read between two readings of the time since boot, whose middle is when it was read.
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall = time.time_ns()
    uptime = (before + time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 2
    return (wall - uptime) // 1000, uptime // 1000
