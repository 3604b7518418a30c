"""The live view of rooms, from AMI. Never the source of a minute: AMI replays nothing after a lost connection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bridge.asterisk.ami import events
from bridge.asterisk.ami.client import Ami, AmiFailed, AmiUnreachable
from bridge.asterisk.ami.events import Event
from bridge.domain.errors import Unavailable
from bridge.usecases.conference.ports import LiveConference, LiveParticipant, LiveView

_NOTHING_THERE: Final = ("No active conferences.", "No Conference by that name found.")
"""Asterisk answers with these errors where a list is empty."""


@dataclass(frozen=True, slots=True)
class _Room:
    started_at: datetime
    participants: dict[str, LiveParticipant]


class AmiLiveRooms:
    """Implements LiveRooms for the one Asterisk of this node. It calls `on_left` with the uniqueid of each who leaves.

    Nothing is known while AMI is away, nor before the first listing of rooms has arrived.
    """

    def __init__(self, node: str, on_left: Callable[[str], None] = lambda _: None) -> None:
        self._node = node
        self._on_left = on_left
        self._rooms: dict[str, _Room] = {}
        self._known = False

    def view(self) -> LiveView:
        """The conferences that are going on. Raises Unavailable while they are not known."""
        if not self._known:
            raise Unavailable(
                f"node {self._node} has no connection to its Asterisk's AMI, so that who is in its rooms is not known, "
                "and there is no other node; the conferences themselves go on"
            )
        conferences = [
            LiveConference(name, room.started_at, tuple(room.participants.values()))
            for name, room in self._rooms.items()
            if room.participants
        ]
        return LiveView(tuple(sorted(conferences, key=lambda conference: conference.started_at)))

    @property
    def participants(self) -> int:
        """The number of participants in all rooms, 0 while it is not known."""
        return sum(len(room.participants) for room in self._rooms.values())

    async def follow(self, ami: Ami, on_known: Callable[[], None] = lambda: None) -> None:
        """List who is there, call `on_known`, then follow events. Raises AmiUnreachable when the connection is lost."""
        self._rooms.clear()
        try:
            await self._learn(ami)
            self._known = True
            on_known()
            async for event in ami.events():
                self.apply(event)
        finally:
            self._known = False
            self._rooms.clear()

    def apply(self, event: Event) -> None:
        """Take in one event. Those of unknown participants change nothing."""
        match event:
            case events.ParticipantJoined():
                if event.uniqueid:
                    room = self._rooms.setdefault(event.room, _Room(event.at, {}))
                    room.participants.setdefault(event.uniqueid, _participant(event))
            case events.ParticipantLeft(name, uniqueid):
                self._on_left(uniqueid)
                if name in self._rooms:
                    self._rooms[name].participants.pop(uniqueid, None)
            case events.RoomEnded(name):
                self._rooms.pop(name, None)
            case events.ParticipantMuted(name, uniqueid, on):
                self._change(name, uniqueid, lambda person: replace(person, muted=on))
            case events.ParticipantTalking(name, uniqueid, on):
                self._change(name, uniqueid, lambda person: replace(person, talking=on))

    def _change(self, name: str, uniqueid: str, change: Callable[[LiveParticipant], LiveParticipant]) -> None:
        room = self._rooms.get(name)
        if room is not None and uniqueid in room.participants:
            room.participants[uniqueid] = change(room.participants[uniqueid])

    async def _learn(self, ami: Ami) -> None:
        for room in await _listed(ami, "ConfbridgeListRooms"):
            name = room.get("conference", "")
            if room.get("event") != "ConfbridgeListRooms" or not name:
                continue
            for person in await _listed(ami, "ConfbridgeList", Conference=name):
                event = events.parse(person)
                if isinstance(event, events.ParticipantJoined):
                    answered = person.get("answeredtime", "")
                    since = timedelta(seconds=int(answered) if answered.isdecimal() else 0)
                    self.apply(replace(event, at=event.at - since))


async def _listed(ami: Ami, action: str, **fields: str) -> Sequence[Mapping[str, str]]:
    """The messages of a list, none where it is empty. Raises AmiUnreachable when AMI refuses to list."""
    try:
        return await ami.action(action, **fields)
    except AmiFailed as error:
        if str(error) in _NOTHING_THERE:
            return ()
        # Not known is not empty: the connection is of no use, and is made again later.
        raise AmiUnreachable(f"AMI refuses {action}: {error}") from error


def _participant(event: events.ParticipantJoined) -> LiveParticipant:
    return LiveParticipant(event.uniqueid, event.caller, event.role, event.at, event.muted, talking=False)
