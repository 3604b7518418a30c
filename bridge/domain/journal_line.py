"""One line of Asterisk's journal (CEL as JSON) → a fact, or the reason why it is none.

The writer escapes double quotes only and cuts lines at 1,023 bytes, so a line may be torn, glued or invalid: that is
an answer here, not an exception. Fields as in asterisk-conf/cel_custom.conf; times are µs since 1970, UTC.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

MAX_BYTES: Final = 1023
_TIME = re.compile(r"([0-9]{1,11})\.([0-9]{6})")
_TEXTS: Final = ("channame", "num", "appname", "appdata", "accountcode", "tenantid", "userfield", "eventtype")
_HEART = re.compile(r"Local/[a-z]+@heart-.*")
_STAMP = re.compile(r"[0-9A-Za-z:._-]*")
_ROOM = re.compile(r"[0-9a-f.-]{1,79}")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the switch says happened to a channel at an instant of its own clock."""

    at: int
    uniqueid: str


@dataclass(frozen=True, slots=True)
class Boot(Fact):
    """Asterisk has started. Its own uniqueid tells this boot from all others."""


@dataclass(frozen=True, slots=True)
class Alive(Fact):
    """Asterisk lives and is awake: once a second."""


@dataclass(frozen=True, slots=True)
class Called(Fact):
    """A trunk delivered a call."""

    channel: str
    caller: str
    access_number: str
    sip_call_id: str


@dataclass(frozen=True, slots=True)
class Answered(Fact):
    """The call was answered: `prompting` by the daemon, else by the dialplan, to play music."""

    prompting: bool


@dataclass(frozen=True, slots=True)
class Entered(Fact):
    """A participant joined a room."""

    bridge_id: str
    room: str
    account_id: str
    sub_account_id: str
    passcode_id: str
    role: str
    project_code: str
    channel: str
    caller: str


@dataclass(frozen=True, slots=True)
class Exited(Fact):
    """A participant left a room."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class Left(Fact):
    """ConfBridge's own word for why: HANGUP, KICKED, ENDMARKED, DTMF, TIMEOUT, FAILED."""

    result: str


@dataclass(frozen=True, slots=True)
class Ended(Fact):
    """The daemon's word for what became of the dialogue, empty when it said nothing."""

    outcome: str


@dataclass(frozen=True, slots=True)
class HungUp(Fact):
    """The channel was hung up: Q.850 cause, and who did it (a channel's name, or nothing for the switch itself)."""

    cause: int
    source: str


@dataclass(frozen=True, slots=True)
class Gone(Fact):
    """The channel exists no more."""


@dataclass(frozen=True, slots=True)
class Other(Fact):
    """A line that says nothing a minute depends on, beyond that the switch was alive."""


@dataclass(frozen=True, slots=True)
class Starting(Fact):
    """The heart's own channel comes or goes. A new boot writes such lines before BOOT: they prove no life of the one
    before."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """A line that is no fact. `why` never quotes it: it may hold anything."""

    why: str


def parse(line: bytes) -> Fact | Garbage:
    """One line, without its newline."""
    if len(line) > MAX_BYTES:
        return Garbage("longer than Asterisk writes")
    try:
        fields = orjson.loads(line)
        extra = fields["eventextra"]
        return _fact(fields, orjson.loads(extra) if extra else {})
    except orjson.JSONDecodeError:
        return Garbage("not JSON")
    except (KeyError, TypeError, ValueError, AttributeError):
        return Garbage("not a journal line")


def _fact(fields: dict[str, Any], extra: dict[str, Any]) -> Fact | Garbage:
    time = _TIME.fullmatch(fields["eventtime"])
    if time is None:
        return Garbage("no time")
    at, uniqueid = int(time[1]) * 1_000_000 + int(time[2]), fields["uniqueid"]
    if not uniqueid or not _STAMP.fullmatch(uniqueid):
        return Garbage("no uniqueid")
    if not all(isinstance(fields[name], str) for name in _TEXTS):
        return Garbage("a field that is no text")
    if _HEART.fullmatch(fields["channame"]) and fields["eventtype"] not in ("ALIVE", "BOOT"):
        return Starting(at, uniqueid)
    match fields["eventtype"]:
        case "ALIVE":
            return Alive(at, uniqueid)
        case "BRIDGE_ENTER" if _is_participant(fields):
            return _entered(at, uniqueid, fields, extra)
        case "BRIDGE_EXIT" if _is_participant(fields):
            return Exited(at, uniqueid, _stamp(extra["bridge_id"]))
        case "CALLED":
            number, _, call_id = extra["extra"].partition(":")
            return Called(at, uniqueid, fields["channame"], fields["num"], number, call_id)
        case "ANSWER":
            return Answered(at, uniqueid, fields["appname"] == "Stasis")
        case "LEFT":
            return Left(at, uniqueid, extra.get("extra", ""))
        case "ENDED":
            return Ended(at, uniqueid, extra["extra"].partition(":")[0])
        case "HANGUP":
            return HungUp(at, uniqueid, int(extra["hangupcause"]), extra.get("hangupsource", ""))
        case "CHAN_END":
            return Gone(at, uniqueid)
        case "BOOT":
            return Boot(at, uniqueid)
        case _:
            return Other(at, uniqueid)


def _is_participant(fields: dict[str, Any]) -> bool:
    """Announcers and other helpers enter rooms like people do, but nobody stamped them."""
    return fields["appname"] == "ConfBridge" and bool(fields["accountcode"] or fields["tenantid"])


def _entered(at: int, uniqueid: str, fields: dict[str, Any], extra: dict[str, Any]) -> Entered | Garbage:
    room = fields["appdata"].split(",", 1)[0]
    if not _ROOM.fullmatch(room):
        return Garbage("a room that is none of ours")
    passcode_id, role, project_code = [*_stamp(fields["userfield"]).split(":", 2), "", ""][:3]
    return Entered(
        at,
        uniqueid,
        _stamp(extra["bridge_id"]),
        room,
        _stamp(fields["tenantid"]),
        _stamp(fields["accountcode"]),
        passcode_id,
        role,
        project_code,
        fields["channame"],
        fields["num"],
    )


def _stamp(text: str) -> str:
    """What we stamp on channels, and bridge ids. Raises ValueError for anything outside that alphabet."""
    if not _STAMP.fullmatch(text):
        raise ValueError("characters that are never stamped")
    return text
