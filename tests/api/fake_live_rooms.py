"""Live rooms in memory. tests/contracts/conference holds them to what the real ones do."""

from dataclasses import dataclass, field
from datetime import datetime

from bridge.domain.errors import Unavailable
from bridge.usecases.conference.ports import LiveConference, LiveParticipant, LiveView


@dataclass
class FakeLiveRooms:
    """Implements conference_ports.LiveRooms over two nodes, of which those that are `unknown` can't tell."""

    conferences: list[LiveConference] = field(default_factory=list)
    nodes: tuple[str, ...] = ("node1", "node2")
    unknown: tuple[str, ...] = ()

    def view(self) -> LiveView:
        if set(self.nodes) <= set(self.unknown):
            raise Unavailable(f"no node is known: {', '.join(self.unknown)} have no connection to their Asterisk's AMI")
        going_on = [conference for conference in self.conferences if conference.participants]
        return LiveView(tuple(sorted(going_on, key=lambda conference: conference.started_at)), self.unknown)


def conference_of_one(room_id: str, started_at: datetime) -> LiveConference:
    """A conference with a single participant, a guest."""
    guest = LiveParticipant(f"node1-{room_id}.1", "4930123456", "guest", started_at, muted=False, talking=False)
    return LiveConference(room_id, started_at, (guest,))
