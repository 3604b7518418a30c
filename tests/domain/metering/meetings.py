"""Journals of faults that coincide: the journal's disk is full while the switch wakes from a freeze, or starts."""

import random
import re
from collections.abc import Sequence

from tests.domain.metering.journals import SECOND

GAP = 700_000
_TIME = re.compile(rb'"eventtime":"(\d+)\.(\d{6})"')


def full_at_waking(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """The disk is full as the switch wakes. A line or two still fit into the file's last block."""
    wakings = [
        place
        for place in range(1, len(lines))
        if _time(lines, place) - _time(lines, place - 1) > GAP and b'"BOOT"' not in lines[place]
    ]
    return _full(chance, lines, chance.choice(wakings) + chance.choice((0, 1, 1, 2, 3))) if wakings else lines


def full_at_boot(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """The disk is full as the switch starts, perhaps from before the end of the boot before."""
    boots = [place for place in range(1, len(lines)) if b'"BOOT"' in lines[place]]
    return _full(chance, lines, max(0, chance.choice(boots) - chance.choice((0, 1, 2, 12)))) if boots else lines


def _full(chance: random.Random, lines: list[bytes], begin: int) -> list[bytes]:
    """Nothing is written from a line on for up to six seconds; of that line the beginning is left."""
    if begin >= len(lines):
        return lines
    last = next(place for place in range(begin, len(lines)) if place == len(lines) - 1 or b'"BOOT"' not in lines[place])
    free = max(_time(lines, begin), _time(lines, last)) + chance.randint(0, 6 * SECOND)
    end = next((place for place in range(last, len(lines)) if _time(lines, place) > free), len(lines))
    torn = lines[begin][: chance.choice((0, chance.randint(0, len(lines[begin]))))]
    if chance.random() < 0.5:
        # No line end was written: the next line is glued to what is left.
        return [*lines[:begin], *([torn + lines[end]] if end < len(lines) else [torn]), *lines[end + 1 :]]
    return [*lines[:begin], torn, *lines[end:]]


def _time(lines: Sequence[bytes], place: int) -> int:
    found = _TIME.search(lines[place])
    return int(found[1]) * SECOND + int(found[2]) if found else 0
