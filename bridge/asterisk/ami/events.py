"""AMI's ConfBridge events as values. They are parsed once, here.

Source: the AMI documentation of `app_confbridge` in Asterisk 22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """A participant joined a room, or was found in it by a listing. `at` is the time on Asterisk's clock."""

    room: str
    uniqueid: str
    channel: str
    caller: str
    role: str
    muted: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """A participant left a room."""

    room: str
    uniqueid: str


@dataclass(frozen=True, slots=True)
class RoomEnded:
    """The last participant left a room, so its conference ended."""

    room: str


@dataclass(frozen=True, slots=True)
class ParticipantMuted:
    """A participant was muted (`on`) or unmuted."""

    room: str
    uniqueid: str
    on: bool


@dataclass(frozen=True, slots=True)
class ParticipantTalking:
    """A participant began to talk (`on`) or ceased."""

    room: str
    uniqueid: str
    on: bool


Event = ParticipantJoined | ParticipantLeft | RoomEnded | ParticipantMuted | ParticipantTalking


def parse(fields: Mapping[str, str]) -> Event | None:
    """The event with these headers (names in lower case), or None if the live view has no use for it."""
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
    """The role that the dialplan has set. Without one, ConfBridge's admins are hosts and all others guests."""
    role = fields.get("chanvariable", "").removeprefix("BRIDGE_ROLE=")
    return role or ("host" if fields.get("admin", "").lower() == "yes" else "guest")


def _time(fields: Mapping[str, str]) -> datetime:
    """The event's time. A listing has none: its messages describe the present."""
    try:
        return datetime.fromtimestamp(float(fields.get("timestamp", "")), UTC)
    except ValueError:
        return datetime.now(UTC)
