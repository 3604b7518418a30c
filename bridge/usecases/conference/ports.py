"""Ports of conferences: live rooms and their participants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class ParticipantControl(Protocol):
    """Those who are inside rooms of this node."""

    async def hang_up(
        self,
        *,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        room_id: UUID | None = None,
        passcode_id: UUID | None = None,
    ) -> int:
        """Hang up on all who are in a room of that owner, in that room, or came in by that passcode; how many.

        Raises Unavailable when the switch cannot be asked.
        """


@dataclass(frozen=True, slots=True)
class LiveParticipant:
    """Someone in a room now, as AMI tells it."""

    uniqueid: str
    caller: str
    role: str
    joined_at: datetime
    muted: bool
    talking: bool


@dataclass(frozen=True, slots=True)
class LiveConference:
    """A room with people in it."""

    room_id: str
    started_at: datetime
    participants: tuple[LiveParticipant, ...]


class LiveRooms(Protocol):
    """Who is in which room now."""

    def live(self) -> Sequence[LiveConference]:
        """Conferences that are going on, in order of their start. Empty while the switch cannot be asked."""
