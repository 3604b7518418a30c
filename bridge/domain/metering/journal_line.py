"""One line of Asterisk's journal (CEL as JSON) → facts, or the reason why it holds none.

The writer escapes double quotes only and cuts lines at 1,023 bytes, and a full disk or a power cut tears them: a line
may be cut, glued to the next or invalid. That is an answer here, not an exception. Whatever can be made out of such a
line still is: no caller can write an unescaped double quote, so the words that begin a line are the writer's own
wherever they stand. Fields as in asterisk-conf/cel_custom.conf; times are µs since 1970, UTC.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from bridge.domain.period import SECOND_US

MAX_BYTES: Final = 1023
_TIME = re.compile(r"([0-9]{1,11})\.([0-9]{6})")
_TEXTS: Final = ("channame", "num", "appname", "appdata", "accountcode", "tenantid", "userfield", "eventtype")
_HEART = re.compile(r"Local/[a-z]+@heart-.*")
_STAMP = re.compile(r"[0-9A-Za-z:._-]*")
_ROOM = re.compile(r"[0-9A-Za-z._-]{1,79}")
_CLOCK = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,18})")
_BEGIN: Final = b'{"eventtype":"'
_HEAD = re.compile(
    rb'\{"eventtype":"([A-Z_]+)","userdeftype":"[A-Z_]*","eventtime":"([0-9]{1,11})\.([0-9]{6})",'
    rb'"uniqueid":"([0-9A-Za-z:._-]+)"'
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the switch says happened to a channel at an instant of its own clock."""

    at: int
    uniqueid: str


@dataclass(frozen=True, slots=True)
class Boot(Fact):
    """Asterisk has started. `boot` tells this start from all others."""

    boot: str


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the daemon said of the clock: wall time less time since the machine's start, at `uptime_us` after it. Only a
    step of the clock changes `offset_us`; a freeze does not."""

    offset_us: int
    uptime_us: int

    @property
    def at(self) -> int:
        """When it was said."""
        return self.offset_us + self.uptime_us


@dataclass(frozen=True, slots=True)
class Alive(Fact):
    """Asterisk lives and is awake: twice a second. `count` goes up over a whole boot."""

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
    """The call was answered: `prompting` by the daemon, else by the dialplan, to play music."""

    channel: str
    caller: str
    prompting: bool


@dataclass(frozen=True, slots=True)
class Participation(Fact):
    """What lines of a participant say of whose stay in which room it is."""

    room: str
    account_id: str
    sub_account_id: str
    passcode_id: str
    role: str
    project_code: str
    channel: str
    caller: str


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
    """Why, as `RESULT:CAUSE:QUIET`: ConfBridge's own word (HANGUP, KICKED, ENDMARKED, DTMF, TIMEOUT, FAILED, or none)
    and the Q.850 cause of the hang-up, as far as they are known, and the seconds without audio after which Asterisk
    would have ended the call."""

    why: str


@dataclass(frozen=True, slots=True)
class DialogueEnded(Fact):
    """The daemon's word for what became of the dialogue, empty when it said nothing."""

    outcome: str
    sip_call_id: str


@dataclass(frozen=True, slots=True)
class HungUp(Fact):
    """The channel was hung up: Q.850 cause, and who did it (a channel's name, or nothing for the switch itself)."""

    cause: int
    source: str


@dataclass(frozen=True, slots=True)
class Gone(Fact):
    """The channel exists no more."""


@dataclass(frozen=True, slots=True)
class Absent(Fact):
    """The daemon's word: the caller `subject` is in no room any more, or gone for good, and was last seen at `seen_us`,
    0 for never."""

    subject: str
    seen_us: int


@dataclass(frozen=True, slots=True)
class Present(Fact):
    """The daemon's word: the participants `subjects` were in rooms at `seen_us`."""

    seen_us: int
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other(Fact):
    """A line that says nothing a minute depends on, beyond that the switch was alive."""


@dataclass(frozen=True, slots=True)
class HeartbeatStarting(Fact):
    """The heart's own channel comes or goes. A new boot writes such lines before BOOT: they prove no life of the one
    before."""


@dataclass(frozen=True, slots=True)
class TornLine(Fact):
    """A line of which only the head is left: what happened, to which channel and when."""

    event: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no fact, `size` of them. `why` never quotes them: they may hold anything."""

    why: str
    size: int = 0


def read(line: bytes) -> Sequence[Fact | Garbage]:
    """What one line, without its newline, holds: one fact, if it is whole."""
    found = parse(line)
    return _salvaged(line, found) if isinstance(found, Garbage) else (found,)


def parse(line: bytes) -> Fact | Garbage:
    """One whole line, without its newline."""
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
    """The facts and heads of lines within a line that is no whole one."""
    before, *rest = line.split(_BEGIN)
    found: list[Fact | Garbage] = [replace(garbage, size=len(before))] if before.strip() or not rest else []
    for tail in rest:
        piece = (_BEGIN + tail).rstrip(b"\0 \t\r")
        fact = parse(piece)
        found.append(_head(piece) or replace(fact, size=len(piece)) if isinstance(fact, Garbage) else fact)
    return found


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
    if _HEART.fullmatch(fields["channame"]):
        return _heart(at, uniqueid, fields["eventtype"], extra)
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
            return Answered(at, uniqueid, fields["channame"], fields["num"], fields["appname"] == "Stasis")
        case "LEFT":
            return Left(at, uniqueid, _text(extra.get("extra", "")))
        case "ENDED":
            outcome, _, call_id = extra["extra"].partition(":")
            return DialogueEnded(at, uniqueid, outcome, call_id)
        case "HANGUP":
            return HungUp(at, uniqueid, int(extra["hangupcause"]), _text(extra.get("hangupsource", "")))
        case "CHAN_END" | "LINKEDID_END":
            return Gone(at, uniqueid)
        case _:
            return Other(at, uniqueid)


def _heart(at: int, uniqueid: str, event: str, extra: dict[str, Any]) -> Fact | Garbage:
    """What the heart's own channels say."""
    match event:
        case "BOOT":
            return Boot(at, uniqueid, _stamp(extra["extra"]))
        case "ALIVE":
            beat, boot, began, clock = extra["extra"].split(":")
            return Alive(at, uniqueid, int(beat), _stamp(f"{boot}:{began}"), _clock(clock), _began(began))
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
    said = _CLOCK.fullmatch(text)
    return ClockReading(int(said[1]), int(said[2])) if said else None


def _is_participant(fields: dict[str, Any]) -> bool:
    """Announcers and other helpers enter rooms like people do, but from nowhere outside, and nobody stamped them."""
    outside = fields["channame"].startswith("PJSIP/")
    return fields["appname"] == "ConfBridge" and bool(outside or fields["accountcode"] or fields["tenantid"])


def _participation(fields: dict[str, Any]) -> tuple[str, str, str, str, str, str, str, str]:
    """Whose stay in which room: as stamped. What nobody could have stamped is left out, and nobody owns the stay."""
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
    )


def _text(value: object) -> str:
    """Raises TypeError for what is no text."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _stamped(text: str) -> str:
    return text if _STAMP.fullmatch(text) else ""


def _stamp(text: str) -> str:
    """What we put into the journal ourselves, and bridge ids. Raises ValueError for anything outside that alphabet."""
    if not _STAMP.fullmatch(text):
        raise ValueError("characters that are never stamped")
    return text
