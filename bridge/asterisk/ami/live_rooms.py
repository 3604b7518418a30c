"""The live view of rooms, from AMI. Never the source of a minute: AMI replays nothing after a lost connection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.asterisk.ami import events
from bridge.asterisk.ami.client import Ami, AmiFailed
from bridge.asterisk.ami.events import Event
from bridge.usecases.conference.ports import LiveConference, LiveParticipant


@dataclass(frozen=True, slots=True)
class _Room:
    started_at: datetime
    participants: dict[str, LiveParticipant]


class AmiLiveRooms:
    """Who is in which room now. Empty and `known=False` while AMI is away. `on_left` is told of each who leaves."""

    def __init__(self, on_left: Callable[[str], None] = lambda _: None) -> None:
        self._on_left = on_left
        self._rooms: dict[str, _Room] = {}
        self.known = False

    def live(self) -> Sequence[LiveConference]:
        """Conferences that are going on, in order of their start."""
        found = [
            LiveConference(name, room.started_at, tuple(room.participants.values()))
            for name, room in self._rooms.items()
            if room.participants
        ]
        return sorted(found, key=lambda conference: conference.started_at)

    @property
    def participants(self) -> int:
        return sum(len(room.participants) for room in self._rooms.values())

    async def follow(self, ami: Ami) -> None:
        """Learn who is there, then follow events until the connection is lost (AmiUnreachable)."""
        self._rooms.clear()
        try:
            await self._learn(ami)
            self.known = True
            async for event in ami.events():
                self.apply(event)
        finally:
            self.known = False
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
        try:
            rooms = await ami.action("ConfbridgeListRooms")
        except AmiFailed:  # "No active conferences." is an error to AMI
            return
        for found in rooms:
            name = found.get("conference", "")
            if found.get("event") != "ConfbridgeListRooms" or not name:
                continue
            try:
                people = await ami.action("ConfbridgeList", Conference=name)
            except AmiFailed:
                continue
            for person in people:
                event = events.parse(person)
                if isinstance(event, events.ParticipantJoined):
                    answered = person.get("answeredtime", "")
                    since = timedelta(seconds=int(answered) if answered.isdecimal() else 0)
                    self.apply(replace(event, at=event.at - since))


def _participant(event: events.ParticipantJoined) -> LiveParticipant:
    return LiveParticipant(event.uniqueid, event.caller, event.role, event.at, event.muted, talking=False)
