"""Honest callers, who key their own code, and mistype now and then."""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tests.attack.codes import NUMBER, OTHER_NUMBER, uuid
from tests.attack.installation import Installation
from tests.attack.lines import Entry, Line

MISTYPED: Final = 0.12
"""The share of callers whose first entry is wrong."""
EVERY_S: Final = 4.0
"""Seconds between two callers of a kind, on average."""


class Kind(StrEnum):
    """A kind of honest caller: on the number that is attacked, known and not; and on another number."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"


def entries(installation: Installation, code: str, wrong: str | None = None) -> deque[Entry]:
    """The entries of one honest caller, who does not know about `#`: perhaps a wrong one (`wrong`, if given), then the
    code."""
    random = installation.random
    pace_s = random.uniform(0.25, 0.6)
    if wrong is None and random.random() < MISTYPED:
        wrong = slip(installation, code)
    return deque(
        Entry(keys, random.uniform(1, 3), pace_s, in_two_parts=False) for keys in (wrong, code) if keys is not None
    )


def slip(installation: Installation, code: str) -> str:
    """The code with one digit wrong."""
    place = installation.random.randrange(len(code))
    wrong = (int(code[place]) + installation.random.randint(1, 9)) % 10
    return f"{code[:place]}{wrong}{code[place + 1 :]}"


@dataclass
class Waits:
    """Waits of honest callers, in seconds from the last digit of a right entry, and how many of them did not get in."""

    seconds: list[float] = field(default_factory=list)
    kept_out: int = 0

    def add(self, line: Line, ended: bool = True) -> None:
        """Add a caller whose call has ended, or who still waits. A wait counts after a right entry."""
        if not line.entries:
            self.seconds.append(line.waited_s)
        self.kept_out += ended and line.joined_at is None


@dataclass
class Public:
    """Honest callers of each kind, who call at a steady rate.

    One sub-account knows the numbers of the known ones.
    """

    installation: Installation
    waits: dict[Kind, Waits] = field(default_factory=lambda: {kind: Waits() for kind in Kind})
    _talking: dict[str, tuple[Kind, Line]] = field(default_factory=dict)

    async def call(self) -> None:
        """Place calls until cancelled. Those who still wait then count with their waits so far."""
        try:
            async with asyncio.TaskGroup() as group:
                for kind in Kind:
                    group.create_task(self._calls(group, kind))
        finally:
            for kind, line in self._talking.values():
                if line.waits:
                    self.waits[kind].add(line, ended=False)

    async def _calls(self, group: asyncio.TaskGroup, kind: Kind) -> None:
        codes, random, place = self.installation.codes, self.installation.random, list(Kind).index(kind)
        sub_account_id = uuid(100 + place)
        their_codes = [codes.make(sub_account_id) for _ in range(10)]
        for each in itertools.count():
            await asyncio.sleep(random.expovariate(1 / EVERY_S))
            caller = f"+49301{place}{each % 100_000:05}"
            if kind is Kind.KNOWN:
                codes.knowing[caller] = frozenset({sub_account_id})
            number = OTHER_NUMBER if kind is Kind.ELSEWHERE else NUMBER
            group.create_task(
                self._one(kind, Line(entries(self.installation, random.choice(their_codes)), caller, number))
            )

    async def _one(self, kind: Kind, line: Line) -> None:
        self._talking[line.id] = kind, line
        await line.call(self.installation.random.choice(self.installation.nodes))
        del self._talking[line.id]
        self.waits[kind].add(line)
