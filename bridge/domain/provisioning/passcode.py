"""Passcodes: digits that open a room in a role.

All codes that can be dialled on one number are prefix-free: the digit that completes a live code admits at once,
and no code can swallow another. Prefixes are never stored: a new code is never shorter than any in use, so it is
enough to look up its own beginnings.
"""

import functools
import hashlib
import hmac
import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from bridge.domain.errors import Invalid
from bridge.domain.provisioning.weak_codes import is_weak

MAX_LENGTH: Final = 16
SPARSE_DIGITS: Final = 6
"""A random guess hits one of N live codes with a chance of at most N / 10^(log10 N + 6) = one in a million."""
OWN_SPARSE_DIGITS: Final = 5
CHOSEN_MOST: Final = 10
"""No choice lengthens everybody's codes beyond this."""
PIN_DIGITS: Final = 6


class Role(StrEnum):
    """The role of a passcode's caller in the room."""

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
    """The digest by which a PIN is recognised: HMAC-SHA-256 that includes the 16 bytes of its passcode's id."""
    return hmac.digest(key, b"pin" + passcode_id + pin.encode("ascii"), hashlib.sha256)


def shortest_allowed(live_codes: int, own: bool = False) -> int:
    """The least length of a new code where `live_codes` are in use already.

    `own` is True for an account's own space, which the callers of other accounts can't reach.
    """
    magnitude = math.ceil(math.log10(live_codes + 1))
    return max(SPARSE_DIGITS, magnitude + (OWN_SPARSE_DIGITS if own else SPARSE_DIGITS))


def new_length(live_codes: int, longest_in_use: int, own: bool = False) -> int:
    """The length of a generated code: never shorter than the longest in use, so that no live code can begin with it."""
    return max(shortest_allowed(live_codes, own), longest_in_use)


def chosen(digits: str, live_codes: int, longest_in_use: int, own: bool = False) -> str:
    """A code its owner chose, of a length that keeps all codes prefix-free. Raises Invalid.

    Weak codes and codes in use pass here. Both are refused later, alike, so that nobody learns which codes are in use.
    """
    if not re.fullmatch(r"[0-9]+", digits):
        raise Invalid("digits", "a passcode is made of the digits 0 to 9")
    least = new_length(live_codes, longest_in_use, own)
    most = max(least, CHOSEN_MOST)
    if not least <= len(digits) <= most:
        raise Invalid("digits", f"a passcode has {least} to {most} digits on this installation now")
    return digits


def chosen_pin(pin: str, passcode: str) -> str:
    """A PIN its owner chose, to be keyed after `passcode`. Raises Invalid."""
    if not re.fullmatch(rf"[0-9]{{{PIN_DIGITS},{CHOSEN_MOST}}}", pin):
        raise Invalid("pin", f"a PIN has {PIN_DIGITS} to {CHOSEN_MOST} digits; write generate to have one made")
    if is_weak(pin, [passcode]) or pin in passcode:
        raise Invalid("pin", "this PIN is too easy to guess: choose another, or write generate")
    return pin


def generated(length: int, below: Callable[[int], int]) -> str:
    """A random code of `length` digits that is not weak. `below(n)` gives a random integer in [0, n)."""
    while True:
        digits = str(below(10**length)).zfill(length)
        if not is_weak(digits):
            return digits
