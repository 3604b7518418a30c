"""A switch in memory. tests/contracts/metering holds it to what the real one does."""

import asyncio
from collections.abc import Set
from dataclasses import dataclass, field

from bridge.domain.errors import Unavailable

NOBODY: frozenset[str] = frozenset()


@dataclass
class FakeSwitch:
    """Implements metering_ports.Switch.

    `rooms` has one set of participants for each look; after the last one, a look waits for ever. `there` are channels
    outside rooms. `words` are the events that were journaled. With `refuses` none is written, with `away` the switch
    can't be asked.
    """

    rooms: list[Set[str]]
    there: Set[str] = NOBODY
    words: list[tuple[str, str]] = field(default_factory=list)
    refuses: bool = False
    away: bool = False
    _inside: Set[str] = NOBODY

    async def participants(self) -> Set[str]:
        self._check()
        if not self.rooms:
            await asyncio.Event().wait()
        self._inside = self.rooms.pop(0)
        return self._inside

    async def existing(self, channels: Set[str]) -> Set[str]:
        self._check()
        return channels & (self.there | self._inside)

    async def journal(self, word: str, about: str) -> None:
        self._check()
        if not self.refuses:
            self.words.append((word, about))

    def _check(self) -> None:
        if self.away:
            raise Unavailable("the switch is away")
