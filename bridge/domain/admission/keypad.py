"""What a caller keys, one key at a time.

`#` ends an entry and is never needed: the key that completes a live code admits at once, for codes are prefix-free.
`*` clears the entry; behind as many digits as a code has it ends it, or guesses could be taken back unjudged. An entry
that can match nothing any more is heard to its end all the same, so that neither the rest of a long code spills into
the next try, nor the moment of a refusal tells how much of a guess was right.
"""

from dataclasses import dataclass
from typing import Final

from bridge.domain.provisioning.passcode import SPARSE_DIGITS

DIGITS: Final = frozenset("0123456789")
MAX_KEYED: Final = 32
WHOLE: Final = SPARSE_DIGITS
"""No code and no PIN has fewer digits: so many are a guess, whatever follows."""


@dataclass(frozen=True, slots=True)
class EntryTimeouts:
    """How long a caller may take, in seconds, and how often."""

    first_digit_s: float
    inter_digit_s: float
    entry_s: float
    tries: int


@dataclass(frozen=True, slots=True)
class EntryOpen:
    """The entry goes on."""

    digits: str


@dataclass(frozen=True, slots=True)
class EntryEnded:
    """The caller says that the entry is whole."""

    digits: str


def press(digits: str, key: str) -> EntryOpen | EntryEnded:
    """The entry `digits` after one more key. A `#` before any digit (of a habit, or an earlier code) means nothing."""
    if key == "#" and digits:
        return EntryEnded(digits)
    if key == "*":
        return EntryEnded(digits) if len(digits) >= WHOLE else EntryOpen("")
    if key in DIGITS and len(digits) < MAX_KEYED:
        return EntryOpen(digits + key)
    return EntryOpen(digits)


def silence_allowed(digits: str, longest: int, patience: EntryTimeouts) -> float:
    """Seconds to wait for the next key before the entry counts as whole.

    Once no live code can be that long, half the usual time tells that the caller has finished.
    """
    if not digits:
        return patience.first_digit_s
    return patience.inter_digit_s if len(digits) < longest else patience.inter_digit_s / 2
