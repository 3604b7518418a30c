"""Passcodes: digits that open a room in a role.

All codes that can be dialled on one number are prefix-free: the digit that completes a live code admits at once,
and no code can swallow another. Prefixes are never stored: a new code is never shorter than any in use, so it is
enough to look up its own beginnings.
"""

import functools
import hashlib
import hmac
import itertools
import math
import re
from collections.abc import Callable
from enum import StrEnum

from bridge.domain.errors import Invalid

MAX_LENGTH = 16
SPARSE_DIGITS = 6
"""A random guess hits one of N live codes with a chance of at most N / 10^(log10 N + 6) = one in a million."""


class Role(StrEnum):
    """What a passcode lets its caller do in the room."""

    HOST = "host"
    GUEST = "guest"
    LISTENER = "listener"


def digest(digits: str, key: bytes, space: bytes = b"") -> bytes:
    """The look-up key of a code: HMAC-SHA-256 under a key that is not in the database (RFC 2104).

    `space` is empty for codes of shared numbers, else the 16 bytes of the account whose codes are a set by themselves.
    """
    hashed = _keyed(key).copy()
    hashed.update(space + digits.encode("ascii"))
    return hashed.digest()


@functools.lru_cache(16)
def _keyed(key: bytes) -> hmac.HMAC:
    """HMAC under a key that has digested nothing yet: copying it takes half the time of beginning anew."""
    return hmac.new(key, digestmod=hashlib.sha256)


def pin_digest(pin: str, key: bytes, passcode_id: bytes) -> bytes:
    """What a PIN is recognised by: the same with the 16 bytes of its passcode's id."""
    return hmac.digest(key, b"pin" + passcode_id + pin.encode("ascii"), hashlib.sha256)


def shortest_allowed(live_codes: int) -> int:
    """The least length of a new code on a shared number where `live_codes` are in use already."""
    return max(0, math.ceil(math.log10(live_codes + 1))) + SPARSE_DIGITS


def new_length(live_codes: int, longest_in_use: int) -> int:
    """The length of a generated code: never shorter than the longest in use, so that no live code can begin with it."""
    return max(shortest_allowed(live_codes), longest_in_use)


def chosen(digits: str, live_codes: int, longest_in_use: int) -> str:
    """A code its owner chose, checked against the rules generated ones keep. Raises Invalid.

    Neither message tells whether another owner has the code.
    """
    if not re.fullmatch(r"[0-9]+", digits):
        raise Invalid("digits", "a passcode is made of the digits 0 to 9")
    least = new_length(live_codes, longest_in_use)
    if not least <= len(digits) <= MAX_LENGTH:
        raise Invalid("digits", f"a passcode has {least} to {MAX_LENGTH} digits on this installation now")
    if is_weak(digits):
        raise Invalid("digits", "this passcode is too easy to guess: avoid repeated, counted and mirrored digits")
    return digits


def generated(length: int, below: Callable[[int], int]) -> str:
    """A random code of `length` digits that is not weak. `below(n)` gives a random integer in [0, n)."""
    while True:
        digits = str(below(10**length)).zfill(length)
        if not is_weak(digits):
            return digits


def is_weak(digits: str) -> bool:
    """Whether people would try this code first: one digit repeated, a counting run, or a short block repeated."""
    steps = {(int(right) - int(left)) % 10 for left, right in itertools.pairwise(digits)}
    if steps in ({0}, {1}, {9}):
        return True
    return any(digits == (digits[:block] * len(digits))[: len(digits)] for block in range(1, len(digits) // 2 + 1))
