"""AMI's ConfBridge events as values, parsed once. Source: Asterisk 22, `app_confbridge` AMI documentation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Someone joined a room (or was found in it). `at` is the switch's clock."""

    room: str
    uniqueid: str
    channel: str
    caller: str
    role: str
    muted: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Someone left a room."""

    room: str
    uniqueid: str


@dataclass(frozen=True, slots=True)
class RoomEnded:
    """A room's conference ended."""

    room: str


@dataclass(frozen=True, slots=True)
class ParticipantMuted:
    """Someone was muted or unmuted."""

    room: str
    uniqueid: str
    on: bool


@dataclass(frozen=True, slots=True)
class ParticipantTalking:
    """Someone began or ceased to talk."""

    room: str
    uniqueid: str
    on: bool


Event = ParticipantJoined | ParticipantLeft | RoomEnded | ParticipantMuted | ParticipantTalking


def parse(fields: Mapping[str, str]) -> Event | None:
    """An event from its headers (names in lower case), or None for one that the live view has no use for."""
    room, uniqueid = fields.get("conference", ""), fields.get("uniqueid", "")
    match fields.get("event"):
        case "ConfbridgeJoin" | "ConfbridgeList":
            return ParticipantJoined(
                room,
                uniqueid,
                fields.get("channel", ""),
                fields.get("calleridnum", ""),
                _role(fields),
                fields.get("muted", "").lower() == "yes",
                _time(fields),
            )
        case "ConfbridgeLeave":
            return ParticipantLeft(room, uniqueid)
        case "ConfbridgeEnd":
            return RoomEnded(room)
        case "ConfbridgeMute":
            return ParticipantMuted(room, uniqueid, True)
        case "ConfbridgeUnmute":
            return ParticipantMuted(room, uniqueid, False)
        case "ConfbridgeTalking":
            return ParticipantTalking(room, uniqueid, fields.get("talkingstatus") == "on")
        case _:
            return None


def _role(fields: Mapping[str, str]) -> str:
    """The role that the dialplan joined them in; of whoever came by another way, what ConfBridge makes of them."""
    told = fields.get("chanvariable", "").removeprefix("BRIDGE_ROLE=")
    return told or ("host" if fields.get("admin", "").lower() == "yes" else "guest")


def _time(fields: Mapping[str, str]) -> datetime:
    try:
        return datetime.fromtimestamp(float(fields.get("timestamp", "")), UTC)
    except ValueError:
        return datetime.now(UTC)
