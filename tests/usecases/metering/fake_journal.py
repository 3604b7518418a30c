"""A journal in memory. tests/contracts/metering holds it to what the real one does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from bridge.usecases.metering.ports import Batch, Position


@dataclass
class FakeJournal:
    """Implements metering_ports.Journal. A reader who has read all batches sets `drained`, and waits for more."""

    batches: list[Batch]
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def append(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._more.set()

    async def read(self, position: Position | None) -> AsyncIterator[Batch]:
        number = self._first(position)
        # The bytes of the position are not there: its file is read again from the start.
        again = position is not None and ":" in position.file and number == 0
        while True:
            while number < len(self.batches):
                batch = _after(self.batches[number], position)
                yield replace(batch, may_replay=True) if again else batch
                again = False
                number += 1
            self.drained.set()
            self._more.clear()
            await self._more.wait()

    def _first(self, position: Position | None) -> int:
        """The number of the first batch that has lines after the position."""
        read = [number for number, batch in enumerate(self.batches) if position and _is_read(batch, position)]
        return read[-1] + 1 if read else 0


def _identity(position: Position) -> str:
    return position.file.partition(":")[0]


def _is_read(batch: Batch, position: Position) -> bool:
    """Return True if all lines of a batch stand before a position, by its bytes or, without them, by its offset."""
    if ":" in position.file:
        return batch.position == position
    return _identity(batch.position) == position.file and batch.position.offset <= position.offset


def _after(batch: Batch, position: Position | None) -> Batch:
    """The batch without its lines before a position in the same file."""
    if position is None or _identity(batch.position) != _identity(position):
        return batch
    if ":" in position.file:
        return batch
    lines: Sequence[bytes] = batch.lines
    end = batch.position.offset - sum(len(line) + 1 for line in lines)
    for number, line in enumerate(lines):
        end += len(line) + 1
        if end > position.offset:
            return replace(batch, lines=lines[number:])
    return replace(batch, lines=())
