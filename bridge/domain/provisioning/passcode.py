"""Passcodes: digits that open a room in a role.

All codes that can be dialled on one number are prefix-free: the digit that completes a live code admits at once,
and no code can swallow another. Prefixes are never stored: a new code is never shorter than any in use, so it is
enough to look up its own beginnings. `code_lengths` says how long it is. Only an imported code may be shorter than
others, and is compared with each longer one.
"""

import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from bridge.domain.errors import Invalid
from bridge.domain.provisioning.code_lengths import IMPORT_LEAST, MAX_LENGTH
from bridge.domain.provisioning.weak_codes import is_weak

PIN_DIGITS: Final = 6
PIN_DIGITS_MOST: Final = 10
_ONLY_DIGITS: Final = "a passcode is made of the digits 0 to 9"


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


def chosen(digits: str, length: int) -> str:
    """A code its owner chose, of the length that a generated one would get. Raises Invalid.

    Weak codes and codes in use pass here. Both are refused later, alike, so that nobody learns which codes are in use.
    """
    if not re.fullmatch(r"[0-9]+", digits):
        raise Invalid("digits", _ONLY_DIGITS)
    if len(digits) != length:
        raise Invalid("digits", f"a new passcode has {length} digits here")
    return digits


def imported(digits: str) -> str:
    """A code of another bridge that the operator imports: of any length that callers can key, weak or not.

    Raises Invalid.
    """
    if not re.fullmatch(r"[0-9]+", digits):
        raise Invalid("digits", _ONLY_DIGITS)
    if not IMPORT_LEAST <= len(digits) <= MAX_LENGTH:
        raise Invalid("digits", f"an imported passcode has {IMPORT_LEAST} to {MAX_LENGTH} digits")
    return digits


def chosen_pin(pin: str, passcode: str) -> str:
    """A PIN its owner chose, to be keyed after `passcode`. Raises Invalid."""
    if not re.fullmatch(rf"[0-9]{{{PIN_DIGITS},{PIN_DIGITS_MOST}}}", pin):
        raise Invalid("pin", f"a PIN has {PIN_DIGITS} to {PIN_DIGITS_MOST} digits; write generate to have one made")
    if is_weak(pin, [passcode]) or pin in passcode:
        raise Invalid("pin", "this PIN is too easy to guess: choose another, or write generate")
    return pin


def generated(length: int, below: Callable[[int], int]) -> str:
    """A random code of `length` digits that is not weak. `below(n)` gives a random integer in [0, n)."""
    while True:
        digits = str(below(10**length)).zfill(length)
        if not is_weak(digits):
            return digits
