"""A local directory in memory. tests/contracts/directory holds it to what the real one does."""

import asyncio
from dataclasses import dataclass, field

from bridge.domain.admission.grant import RoomOwner


@dataclass
class FakeFreshness:
    """Implements services.Freshness.

    `owners` are the rooms that it knows; each `catch_up` adds those of `committed`. With `lost` Postgres is away, and
    nothing is learned. With `hangs` Postgres does not answer.
    """

    caught_up: int = 0
    owners: dict[str, RoomOwner] = field(default_factory=dict)
    committed: dict[str, RoomOwner] = field(default_factory=dict)
    lost: bool = False
    hangs: bool = False

    async def catch_up(self) -> None:
        self.caught_up += 1
        if self.hangs:
            await asyncio.Event().wait()
        if not self.lost:
            self.owners |= self.committed

    def owner(self, room_id: str) -> RoomOwner | None:
        return self.owners.get(room_id)
