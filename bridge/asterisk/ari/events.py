"""ARI's events as values. Parsed once, here; no dictionary of the wire travels inward.

Source: Asterisk 22's `rest-api/api-docs/events.json` and `channels.json`.
"""

from dataclasses import dataclass
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
"""Everything else is filtered out in Asterisk. Answers to our own requests count as events there."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a caller: identity, who calls, what was dialled, how many tries were used up already, and from which
    address the call came."""

    id: str
    name: str
    state: str
    caller: str
    number: str
    tries: int
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class StasisStart:
    """A call was offered to us."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class StasisEnd:
    """The call left us: hung up, or continued into the dialplan."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelDestroyed:
    """The call is over."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelDtmfReceived:
    """The caller keyed one of 0-9 * # A-D."""

    channel_id: str
    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A prompt was heard to its end, was stopped, or failed: ARI does not tell which in a way to rely on."""

    playback_id: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class ApplicationReplaced:
    """Another connection took our application over: no call is offered on this one any more, although it stays open."""


@dataclass(frozen=True, slots=True)
class ChannelUserevent:
    """An event that a client of ARI made, whether of a channel or not."""

    name: str


@dataclass(frozen=True, slots=True)
class UnusedEvent:
    """An event we asked not to get, or that a newer Asterisk invented."""

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
    """One frame of the event websocket. What is unknown or lacks its fields becomes `Other`."""
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
                return ChannelDtmfReceived(frame["channel"]["id"], frame["digit"])
            case "PlaybackFinished":
                playback = frame["playback"]
                return PlaybackFinished(playback["id"], playback["target_uri"].removeprefix("channel:"))
            case "ApplicationReplaced":
                return ApplicationReplaced()
            case "ChannelUserevent":
                return ChannelUserevent(frame["eventname"])
            case _:
                return UnusedEvent(kind)
    except (KeyError, TypeError, AttributeError):
        return UnusedEvent(kind)


def channel(data: dict[str, Any]) -> Channel:
    """A channel as ARI describes it. Raises KeyError or TypeError when it is none."""
    variables = data.get("channelvars") or {}
    tries = variables.get("BRIDGE_TRIES") or ""
    return Channel(
        id=data["id"],
        name=data["name"],
        state=data["state"],
        caller=(data.get("caller") or {}).get("number") or "",
        number=variables.get("BRIDGE_NUMBER") or "",
        tries=int(tries) if tries.isdecimal() else 0,
        trunk=(variables.get("BRIDGE_TRUNK") or "").rpartition(":")[0],
    )
