"""Turns one line of Asterisk's journal (CEL as JSON) into facts, or into garbage with a reason.

Asterisk escapes nothing but double quotes, and cuts lines at 1,023 bytes. A full disk or a power cut tears lines. So a
line may be cut, glued to the next or invalid, which is a result here and no exception. What can be read of such a line
is used: no caller can write an unescaped double quote, so that the words that begin a line are Asterisk's own wherever
they stand. Fields are those of asterisk-conf/cel_custom.conf. Times are µs since 1970, UTC.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

import orjson

from bridge.domain.period import SECOND_US

MAX_BYTES: Final = 1023
_TIME = re.compile(r"([0-9]{1,11})\.([0-9]{6})")
_TEXTS: Final = ("channame", "num", "appname", "appdata", "accountcode", "tenantid", "userfield", "eventtype")
_HEARTBEAT_CHANNEL = re.compile(r"Local/[a-z]+@heart-.*")
_DOCTORS: Final = "PJSIP/doctor-"
"""Channels of the doctor's own calls, which are no calls of callers."""
_STAMP = re.compile(r"[0-9A-Za-z:._-]*")
_ROOM = re.compile(r"[0-9A-Za-z._-]{1,79}")
_DIALLED = re.compile(r"[0-9]{1,20}")
_CLOCK = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")
_BEGIN: Final = b'{"eventtype":"'
_HEAD = re.compile(
    rb'\{"eventtype":"([A-Z_]+)","userdeftype":"[A-Z_]*","eventtime":"([0-9]{1,11})\.([0-9]{6})",'
    rb'"uniqueid":"([0-9A-Za-z:._-]+)"'
)


@dataclass(frozen=True, slots=True)
class Fact:
    """An event of a channel, at an instant of the switch's own clock."""

    at: int
    uniqueid: str


@dataclass(frozen=True, slots=True)
class Boot(Fact):
    """Asterisk has started. `boot` names this start and no other."""

    boot: str


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The daemon's reading of the clock, `uptime_us` after the machine's start.

    `offset_us` is wall time less uptime. Only a step of the clock changes it; a freeze does not.
    """

    offset_us: int
    uptime_us: int

    @property
    def at(self) -> int:
        """When the reading was taken, in µs since 1970."""
        return self.offset_us + self.uptime_us


@dataclass(frozen=True, slots=True)
class Alive(Fact):
    """The heartbeat: Asterisk is alive and awake. It comes twice a second; `count` goes up over a whole boot."""

    count: int
    boot: str
    clock: ClockReading | None
    began_us: int
    """When the boot began, µs since 1970, by the clock as it was then; 0 if its name does not say so."""


@dataclass(frozen=True, slots=True)
class Called(Fact):
    """A trunk delivered a call."""

    channel: str
    caller: str
    access_number: str
    sip_call_id: str


@dataclass(frozen=True, slots=True)
class Answered(Fact):
    """The call was answered: `prompting` by the daemon, else by the dialplan, to play music.

    `caller` and `access_number` are in their one form if the daemon had met the call by then. `access_number` is None
    in journals of before.
    """

    channel: str
    caller: str
    access_number: str | None
    prompting: bool


@dataclass(frozen=True, slots=True)
class Participation(Fact):
    """The owner and the room of a stay, as lines of its participant name them.

    `access_number` is None in journals of before.
    """

    room: str
    account_id: str
    sub_account_id: str
    passcode_id: str
    role: str
    project_code: str
    channel: str
    caller: str
    access_number: str | None


@dataclass(frozen=True, slots=True)
class Entering(Participation):
    """A participant is about to join a room; `Entered` follows at once, unless the room does not take them."""


@dataclass(frozen=True, slots=True)
class Entered(Participation):
    """A participant joined a room."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class Exited(Participation):
    """A participant left a room."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class Left(Fact):
    """The reason why a participant left, as `RESULT:CAUSE:QUIET`.

    RESULT is ConfBridge's own (HANGUP, KICKED, ENDMARKED, DTMF, TIMEOUT, FAILED, or none). CAUSE is the Q.850 cause of
    the hang-up, as far as it is known. QUIET is the number of seconds without audio after which Asterisk would have
    ended the call.
    """

    why: str


@dataclass(frozen=True, slots=True)
class DialogueEnded(Fact):
    """The end of the dialogue, with the outcome that the daemon set. It is empty if the daemon set none.

    `access_number` is None in journals of before.
    """

    caller: str
    access_number: str | None
    outcome: str
    sip_call_id: str


@dataclass(frozen=True, slots=True)
class HungUp(Fact):
    """The channel was hung up. `cause` is of Q.850, `source` the channel that did it, empty for the switch itself."""

    cause: int
    source: str


@dataclass(frozen=True, slots=True)
class Gone(Fact):
    """The channel no longer exists."""


@dataclass(frozen=True, slots=True)
class Absent(Fact):
    """The daemon found that the caller `subject` is in no room any more, or hung up.

    The caller was last seen at `seen_us`, 0 for never.
    """

    subject: str
    seen_us: int


@dataclass(frozen=True, slots=True)
class Present(Fact):
    """The daemon saw the participants `subjects` in rooms at `seen_us`."""

    seen_us: int
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other(Fact):
    """A line that no minute depends on. It still shows that the switch was alive."""


@dataclass(frozen=True, slots=True)
class HeartbeatStarting(Fact):
    """The heartbeat's own channel comes or goes.

    A new boot writes such lines before BOOT, so that they are no proof of life of the boot before.
    """


class TornEvent(Enum):
    """The meaning of a torn line's head to the fold."""

    CALL_ARRIVED = auto()
    """CHAN_START: the only line that a caller's own name can break."""
    JOINED = auto()
    LEFT = auto()
    CHANNEL_ENDED = auto()
    OTHER = auto()
    """Nothing that the head alone is good for."""


_TORN_EVENTS: Final = {
    "CHAN_START": TornEvent.CALL_ARRIVED,
    "BRIDGE_ENTER": TornEvent.JOINED,
    "BRIDGE_EXIT": TornEvent.LEFT,
    "HANGUP": TornEvent.CHANNEL_ENDED,
    "CHAN_END": TornEvent.CHANNEL_ENDED,
}


@dataclass(frozen=True, slots=True)
class TornLine(Fact):
    """A line of which only the head is left: what happened, to which channel and when. `event` is Asterisk's word."""

    event: str

    @property
    def meaning(self) -> TornEvent:
        """The meaning of the event to the fold."""
        return _TORN_EVENTS.get(self.event, TornEvent.OTHER)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no fact, `size` of them. `why` never quotes them, since they may hold anything."""

    why: str
    size: int = 0


def read(line: bytes) -> Sequence[Fact | Garbage]:
    """The facts in one line, without its newline: one if the line is whole."""
    found = parse(line)
    return _salvaged(line, found) if isinstance(found, Garbage) else (found,)


def parse(line: bytes) -> Fact | Garbage:
    """The fact in a line that is expected to be whole, without its newline."""
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


def _salvaged(line: bytes, garbage: Garbage) -> Sequence[Fact | Garbage]:
    """The facts, and heads of torn lines, within a line that is not whole."""
    before, *rest = line.split(_BEGIN)
    facts: list[Fact | Garbage] = [replace(garbage, size=len(before))] if before.strip() or not rest else []
    for tail in rest:
        piece = (_BEGIN + tail).rstrip(b"\0 \t\r")
        fact = parse(piece)
        facts.append(_head(piece) or replace(fact, size=len(piece)) if isinstance(fact, Garbage) else fact)
    return facts


def _head(piece: bytes) -> TornLine | None:
    head = _HEAD.match(piece)
    if head is None:
        return None
    return TornLine(int(head[2]) * SECOND_US + int(head[3]), head[4].decode(), head[1].decode())


def _fact(fields: dict[str, Any], extra: dict[str, Any]) -> Fact | Garbage:  # noqa: C901 -- one case for each event
    time = _TIME.fullmatch(fields["eventtime"])
    if time is None:
        return Garbage("no time")
    at, uniqueid = int(time[1]) * SECOND_US + int(time[2]), fields["uniqueid"]
    if not uniqueid or not _STAMP.fullmatch(uniqueid):
        return Garbage("no uniqueid")
    if not all(isinstance(fields[name], str) for name in _TEXTS):
        return Garbage("a field that is no text")
    if fields["channame"].startswith(_DOCTORS):
        return Other(at, uniqueid)
    if _HEARTBEAT_CHANNEL.fullmatch(fields["channame"]):
        return _from_heartbeat(at, uniqueid, fields["eventtype"], extra)
    match fields["eventtype"]:
        case "BRIDGE_ENTER" if _is_participant(fields):
            return Entered(at, uniqueid, *_participation(fields), _stamp(extra["bridge_id"]))
        case "BRIDGE_EXIT" if _is_participant(fields):
            return Exited(at, uniqueid, *_participation(fields), _stamp(extra["bridge_id"]))
        case "APP_START" if _is_participant(fields):
            return Entering(at, uniqueid, *_participation(fields))
        case "CALLED":
            number, _, call_id = extra["extra"].partition(":")
            return Called(at, uniqueid, fields["channame"], fields["num"], number, call_id)
        case "ANSWER":
            prompting = fields["appname"] == "Stasis"
            return Answered(at, uniqueid, fields["channame"], fields["num"], _dialled(fields), prompting)
        case "LEFT":
            return Left(at, uniqueid, _text(extra.get("extra", "")))
        case "ENDED":
            outcome, _, call_id = extra["extra"].partition(":")
            return DialogueEnded(at, uniqueid, fields["num"], _dialled(fields), outcome, call_id)
        case "HANGUP":
            return HungUp(at, uniqueid, int(extra["hangupcause"]), _text(extra.get("hangupsource", "")))
        case "CHAN_END" | "LINKEDID_END":
            return Gone(at, uniqueid)
        case _:
            return Other(at, uniqueid)


def _from_heartbeat(at: int, uniqueid: str, event: str, extra: dict[str, Any]) -> Fact | Garbage:
    """The fact in a line of the heartbeat's own channels: of Asterisk's heartbeat, or of the daemon."""
    match event:
        case "BOOT":
            return Boot(at, uniqueid, _stamp(extra["extra"]))
        case "ALIVE":
            count, boot, began, clock = extra["extra"].split(":")
            return Alive(at, uniqueid, int(count), _stamp(f"{boot}:{began}"), _clock(clock), _began(began))
        case "ABSENT":
            subject, seen = extra["extra"].split(":")
            return Absent(at, uniqueid, _stamp(subject), int(seen))
        case "PRESENT":
            seen, *subjects = extra["extra"].split(":")
            return Present(at, uniqueid, int(seen), tuple(_stamp(subject) for subject in subjects))
        case _:
            return HeartbeatStarting(at, uniqueid)


def _began(text: str) -> int:
    time = _TIME.fullmatch(text)
    return int(time[1]) * SECOND_US + int(time[2]) if time else 0


def _clock(text: str) -> ClockReading | None:
    reading = _CLOCK.fullmatch(text)
    return ClockReading(int(reading[1]), int(reading[2])) if reading else None


def _is_participant(fields: dict[str, Any]) -> bool:
    """Return True if the line is of a participant.

    Announcers and other helpers enter rooms too, but do not come from outside, and are not stamped with an owner.
    """
    outside = fields["channame"].startswith("PJSIP/")
    return fields["appname"] == "ConfBridge" and bool(outside or fields["accountcode"] or fields["tenantid"])


def _dialled(fields: dict[str, Any]) -> str | None:
    """The access number that a line bears: empty for what is no number, None in journals of before."""
    number = fields.get("dnid")
    if number is None:
        return None
    return number if isinstance(number, str) and _DIALLED.fullmatch(number) else ""


def _participation(fields: dict[str, Any]) -> tuple[str, str, str, str, str, str, str, str, str | None]:
    """The fields of a `Participation`, as stamped. What cannot be a stamp becomes empty: nobody owns that stay."""
    room = fields["appdata"].split(",", 1)[0]
    stamps = (_stamped(fields[name]) for name in ("tenantid", "accountcode", "userfield"))
    account_id, sub_account_id, userfield = stamps
    passcode_id, role, project_code = [*userfield.split(":", 2), "", ""][:3]
    return (
        room if _ROOM.fullmatch(room) else "",
        account_id,
        sub_account_id,
        passcode_id,
        role,
        project_code,
        fields["channame"],
        fields["num"],
        _dialled(fields),
    )


def _text(value: object) -> str:
    """The value, if it is text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _stamped(text: str) -> str:
    return text if _STAMP.fullmatch(text) else ""


def _stamp(text: str) -> str:
    """The text, if it has only characters of our own stamps and of bridge ids. Raises ValueError."""
    if not _STAMP.fullmatch(text):
        raise ValueError("characters that are never stamped")
    return text
