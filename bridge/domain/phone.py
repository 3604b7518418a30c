"""Telephone numbers as the bridge keeps them."""

import re

from bridge.domain.errors import Invalid

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_NO_DIGIT = re.compile(r"[^0-9]")
_HARMFUL = re.compile(r"[^0-9+]")

MAX_DIGITS = 20


def number(text: str, field: str = "number") -> str:
    """An access number as its owner writes it: spaces, dots, dashes and brackets are dropped, a leading + stays out.

    >>> number("+1 (800) 555-0100")
    '18005550100'

    Raises Invalid when anything but 1 to 20 digits is left.
    """
    bare = re.sub(r"[\s().\-]", "", text)
    if not _NUMBER.fullmatch(bare):
        raise Invalid(field, f"a telephone number has 1 to {MAX_DIGITS} digits, with an optional + before them")
    return bare.lstrip("+")


def dialled(text: str) -> str:
    """A called number from a trunk, made comparable with `number`: harmless characters only, no leading +."""
    return clean(text).lstrip("+")


def clean(text: str) -> str:
    """A number from a trunk, reduced to `[0-9+]{0,20}`: nothing else may reach the journal and the ledger.

    The dialplan does the same with FILTER() before anything else. This is for numbers that come by another way.
    """
    return _HARMFUL.sub("", text[:MAX_DIGITS])


def tail(text: str, digits: int) -> str:
    """The part of a number that everybody writes alike: its last `digits` digits, without +, 00 or a national 0.

    >>> tail("+49 30 123456", 8) == tail("0049 30 123456", 8) == tail("030 123456", 8)
    True

    Empty when there is no digit but zeros, as with a caller who withholds the number.
    """
    return _NO_DIGIT.sub("", text).lstrip("0")[-digits:]


def unlike(one: str, other: str, digits: int) -> bool:
    """Return True if both numbers are known and their tails differ."""
    if one == other:
        return False
    tails = {tail(one, digits), tail(other, digits)}
    return len(tails) == 2 and "" not in tails
