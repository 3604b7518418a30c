"""What admission, and those who watch over it, need of the world beside the directory."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain.attempt import Attempt, Refusal
from bridge.domain.throttle import Key, Throttle
from bridge.domain.throttles import Standing


class Insiders(Protocol):
    """Those who are inside by the ledger: how they came in is known for those of before a restart too."""

    async def inside(
        self,
        node: str,
        *,
        account_id: UUID | None,
        sub_account_id: UUID | None,
        room_id: UUID | None,
        passcode_id: UUID | None,
    ) -> Set[str]:
        """The uniqueids of open stays that meet every condition that is given. Raises Unavailable."""


class ThrottleStore(Protocol):
    """What lockout knows, kept on this machine: it survives a restart with Postgres away. Raises Unavailable."""

    async def load(self) -> "Remembered": ...

    async def save(
        self,
        throttles: Mapping[Key, Throttle | None],
        regulars: Mapping[str, float | None],
        attempts: Sequence[Attempt],
    ) -> int:
        """Store throttles and regular callers (None: forget), and queue attempts; how many of the oldest queued ones
        had to be dropped, since the queue is bounded."""

    async def queued(self, limit: int) -> Sequence[Attempt]:
        """Attempts on their way to Postgres, the oldest first."""

    async def dequeue(self, attempts: Sequence[Attempt]) -> None:
        """These have arrived."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What lockout knew when it was stored last."""

    throttles: Mapping[Key, Throttle]
    regulars: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which attempts are asked for. None asks for all; `since` and `until` bound [since, until)."""

    account_id: UUID | None = None
    caller: str | None = None
    access_number: str | None = None
    reason: Refusal | None = None
    since: datetime | None = None
    until: datetime | None = None


class Attempts(Protocol):
    """Refused entries in Postgres. Raises Unavailable."""

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Those that are there already stay as they are."""

    async def page(
        self, wanted: AttemptFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[Attempt]:
        """In order of (time, id), after a given pair."""

    async def prune(self, before: datetime) -> None:
        """Delete older ones."""


class Blocks(Protocol):
    """Who has to wait, or is not listened to, on this node now."""

    def standing(self) -> Sequence[Standing]:
        """The keys that make wait or block now, the highest level first."""

    async def lift(self, block_id: UUID) -> None:
        """Forget all failures of a key. Raises NotFound when it has none."""
