"""The operator's own key: when it is weak, so that somebody could guess it."""

import re
from typing import Final

CHARACTERS_MIN: Final = 43
"""32 random bytes, as base64 for URLs."""
HEX_DIGITS_MIN: Final = 64
"""32 random bytes, as hex digits."""
DIFFERENT_MIN: Final = 10
"""32 random bytes have fewer different characters less than once in 10¹¹ keys, even as hex digits."""
_HEX: Final = re.compile(r"[0-9a-fA-F]*", re.ASCII)
_TYPED: Final = re.compile(r"[!-~]*")


def weakness(key: str) -> str | None:
    """Return what makes a key weak, without any part of the key; None if nothing does.

    A key that is only hex digits needs HEX_DIGITS_MIN of them, any other one CHARACTERS_MIN characters.
    """
    if not _TYPED.fullmatch(key):
        return "it has characters that no HTTP header can carry: use letters, digits, - and _"
    least, of = (HEX_DIGITS_MIN, "hex digits") if _HEX.fullmatch(key) else (CHARACTERS_MIN, "characters")
    if len(key) < least:
        return f"it has {len(key)} {of}, and at least {least} are needed"
    if len(set(key)) < DIFFERENT_MIN:
        return f"it has only {len(set(key))} different characters, and at least {DIFFERENT_MIN} are needed"
    if key in (key + key)[1:-1]:
        return "it repeats a shorter text"
    return None
