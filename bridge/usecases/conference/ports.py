"""Ports of conferences: live rooms and their participants."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class ParticipantControl(Protocol):
    """Control over the participants in rooms of this node."""

    async def hang_up(
        self,
        *,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        room_id: UUID | None = None,
        passcode_id: UUID | None = None,
    ) -> int:
        """Hang up on every participant who meets all given conditions, and return how many they were.

        The conditions are the account, sub-account and room of the conference, and the passcode that was used. None is
        no condition. A participant who has left meanwhile is not counted.

        Raises Unavailable when the switch can't be asked, and ValueError without any condition.
        """


@dataclass(frozen=True, slots=True)
class LiveParticipant:
    """One participant in a room now."""

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


@dataclass(frozen=True, slots=True)
class LiveView:
    """The conferences that are going on, in order of their start.

    Those on `unknown_nodes` are missing: these nodes cannot tell now who is in their rooms.
    """

    conferences: tuple[LiveConference, ...]
    unknown_nodes: tuple[str, ...] = ()


class LiveRooms(Protocol):
    """The rooms and their participants now."""

    def view(self) -> LiveView:
        """The conferences of all nodes that are known.

        Raises Unavailable, which names the nodes, when none is known: an empty view always means that nobody is there.
        """
