"""The entry of a caller, one key at a time.

- `#` ends an entry. Before any digit it does nothing: callers press it by habit, or after an earlier code.
- `*` clears an entry. It ends one that has been looked up as a guess, so that no guess can be taken back unjudged.
- A digit is added, up to MAX_KEYED of them. Any other key does nothing.

No caller needs `#`: codes are prefix-free, so the digit that completes a live code admits at once. An entry that can
match no code any more is still heard to its end. Otherwise the rest of a long code would count as the next try, and
the moment of the refusal would show how many digits of a guess were right.
"""

from dataclasses import dataclass
from typing import Final

DIGITS: Final = frozenset("0123456789")
MAX_KEYED: Final = 32


@dataclass(frozen=True, slots=True)
class EntryTimeouts:
    """The longest waits for a caller's keys, in seconds, and the number of tries.

    `first_digit_s` is counted from the end of the prompt, `inter_digit_s` from the last key, and `entry_s` from the
    first key of an entry.
    """

    first_digit_s: float
    inter_digit_s: float
    entry_s: float
    tries: int


@dataclass(frozen=True, slots=True)
class EntryOpen:
    """An entry that goes on. `digits` are those so far."""

    digits: str


@dataclass(frozen=True, slots=True)
class EntryEnded:
    """An entry that the caller has ended with a key."""

    digits: str


def press(digits: str, key: str, is_guess: bool) -> EntryOpen | EntryEnded:
    """Return the entry `digits` after one more key, by the rules at the head of this module.

    `is_guess` is True if it has been looked up as something that exists.
    """
    if key == "#" and digits:
        return EntryEnded(digits)
    if key == "*":
        return EntryEnded(digits) if is_guess else EntryOpen("")
    if key in DIGITS and len(digits) < MAX_KEYED:
        return EntryOpen(digits + key)
    return EntryOpen(digits)


def silence_allowed(digits: str, longest: int, timeouts: EntryTimeouts) -> float:
    """Seconds to wait for the next key before the entry counts as ended.

    `longest` is the length of the longest live code. An entry of that length waits half the usual time only.
    """
    if not digits:
        return timeouts.first_digit_s
    return timeouts.inter_digit_s if len(digits) < longest else timeouts.inter_digit_s / 2
