"""Weak codes: digits that people try first. Nobody may choose them, and they are never generated."""

import itertools
from collections.abc import Iterable
from typing import Final

_LINES: Final = ("123", "456", "789", "147", "258", "2580", "369", "159", "357", "1379", "1397", "7913")
"""Lines and walks around the corners of a telephone's keys."""
_KEYPAD: Final = frozenset({*_LINES, *(line[::-1] for line in _LINES)})
_CENTURIES: Final = ("19", "20")
_KNOWN_LEAST: Final = 4
"""From this many digits on, a code that holds digits of a known text is weak."""


def is_weak(digits: str, known: Iterable[str] = ()) -> bool:
    """Return True if people would try `digits` first.

    `known` are texts whose digits are no secret, such as the access number and the user ID.
    """
    return (
        _is_counted(digits)
        or digits == digits[::-1]
        or _is_repeated(digits)
        or _is_date(digits)
        or _is_walked(digits)
        or any(_is_known(digits, text) for text in known)
    )


def _is_counted(digits: str) -> bool:
    """Return True if the step between digits is always the same, as in 111111, 123456, 8901234; in pairs too."""
    pairs = digits[::2] if len(digits) % 2 == 0 and digits[::2] == digits[1::2] else digits
    return len({(int(right) - int(left)) % 10 for left, right in itertools.pairwise(pairs)}) < 2


def _is_repeated(digits: str) -> bool:
    return any(digits == (digits[:block] * len(digits))[: len(digits)] for block in range(1, len(digits) // 2 + 1))


def _is_date(digits: str) -> bool:
    """Return True for a day of the calendar, in any of the usual orders."""
    match len(digits):
        case 6:
            return _is_day(digits[:4]) or _is_day(digits[2:])
        case 8:
            return (digits[4:6] in _CENTURIES and _is_day(digits[:4])) or (
                digits[:2] in _CENTURIES and _is_day(digits[4:])
            )
        case _:
            return False


def _is_day(four: str) -> bool:
    """Return True for a day and a month, in either order."""
    one, other = int(four[:2]), int(four[2:])
    return 1 <= min(one, other) <= 12 and 1 <= max(one, other) <= 31


def _is_walked(digits: str) -> bool:
    """Return True for lines of the keypad one after the other, the last perhaps cut short."""
    return not digits or any(
        (digits.startswith(line) and _is_walked(digits[len(line) :])) or (len(digits) >= 2 and line.startswith(digits))
        for line in _KEYPAD
    )


def _is_known(digits: str, text: str) -> bool:
    own = "".join(character for character in text if character in "0123456789")
    return len(own) >= _KNOWN_LEAST and (digits in own or (own in digits and 2 * len(own) >= len(digits)))
