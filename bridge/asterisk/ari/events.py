"""ARI's events as values. They are parsed once, here: no other module sees the dictionaries of the wire.

Source: Asterisk 22's `rest-api/api-docs/events.json` and `channels.json`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

WANTED: Final = (
    "StasisStart",
    "StasisEnd",
    "ChannelDtmfReceived",
    "ChannelDestroyed",
    "PlaybackFinished",
    "ApplicationReplaced",
    "ChannelUserevent",
    "RESTResponse",
)
"""Asterisk filters everything else out. To its filter, the responses to requests are events too."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a caller.

    `caller` is the caller's number and `number` the dialled one, both cleaned by the dialplan. `sent` is the header
    field that the caller's number may be from, empty if nothing of it is missing. `dialled` is the header field that
    says what was dialled, empty if the request URI does. `tries` is the number of wrong entries so far, `trunk` the
    address that the call came from, and `trunk_calls` the number of calls over its trunk, itself included.
    """

    id: str
    name: str
    state: str
    caller: str
    number: str
    tries: int
    trunk: str = ""
    sent: str = ""
    dialled: str = ""
    trunk_calls: int = 0


@dataclass(frozen=True, slots=True)
class StasisStart:
    """A call was offered to the application."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class StasisEnd:
    """The call left the application: it was hung up, or continued into the dialplan."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelDestroyed:
    """The call is over."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelDtmfReceived:
    """Asterisk reports a key of the caller, one of 0-9 * # A-D. It may report the same key again: see `KeyPresses`.

    `at` is in seconds since 1970 of Asterisk's clock.
    """

    channel_id: str
    digit: str
    at: float


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A prompt was heard to its end, was stopped, or failed. ARI does not say reliably which of these it was."""

    playback_id: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class ApplicationReplaced:
    """Another connection took the application over. This one stays open, but no call is offered on it any more."""


@dataclass(frozen=True, slots=True)
class ChannelUserevent:
    """An event that a client of ARI has made. The liveness check makes one."""

    name: str


@dataclass(frozen=True, slots=True)
class UnusedEvent:
    """An event that is not wanted, that a newer Asterisk invented, or that lacks a field."""

    type: str


Event = (
    StasisStart
    | StasisEnd
    | ChannelDestroyed
    | ChannelDtmfReceived
    | PlaybackFinished
    | ApplicationReplaced
    | ChannelUserevent
    | UnusedEvent
)


def parse(frame: dict[str, Any]) -> Event:
    """The event in a frame of the websocket. A frame of an unknown type, or without its fields, is an UnusedEvent."""
    kind = str(frame.get("type"))
    try:
        match kind:
            case "StasisStart":
                return StasisStart(channel(frame["channel"]))
            case "StasisEnd":
                return StasisEnd(frame["channel"]["id"])
            case "ChannelDestroyed":
                return ChannelDestroyed(frame["channel"]["id"])
            case "ChannelDtmfReceived":
                at = datetime.fromisoformat(frame["timestamp"]).timestamp()
                return ChannelDtmfReceived(frame["channel"]["id"], frame["digit"], at)
            case "PlaybackFinished":
                playback = frame["playback"]
                return PlaybackFinished(playback["id"], playback["target_uri"].removeprefix("channel:"))
            case "ApplicationReplaced":
                return ApplicationReplaced()
            case "ChannelUserevent":
                return ChannelUserevent(frame["eventname"])
            case _:
                return UnusedEvent(kind)
    except (KeyError, TypeError, ValueError, AttributeError):
        return UnusedEvent(kind)


def channel(data: dict[str, Any]) -> Channel:
    """A channel from ARI's description. Raises KeyError or TypeError if it is no such description."""
    variables = data.get("channelvars") or {}
    tries, calls = (variables.get(name) or "" for name in ("BRIDGE_TRIES", "BRIDGE_CALLS"))
    return Channel(
        id=data["id"],
        name=data["name"],
        state=data["state"],
        caller=(data.get("caller") or {}).get("number") or "",
        number=variables.get("BRIDGE_NUMBER") or "",
        tries=int(tries) if tries.isdecimal() else 0,
        trunk=(variables.get("BRIDGE_TRUNK") or "").rpartition(":")[0].strip("[]"),
        sent=variables.get("BRIDGE_FROM") or "",
        dialled=variables.get("BRIDGE_DIALLED") or "",
        trunk_calls=int(calls) if calls.isdecimal() else 0,
    )
