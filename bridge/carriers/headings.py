"""The columns of a carrier's file: those that were named, and those known by usual headings."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.domain.errors import Invalid

FIELDS: Final = ("caller", "number", "start", "answer", "end", "duration", "call_id")
"""The fields that a line may have: caller and number, the times of arrival, answer and end, the duration from answer to
end, and the SIP Call-ID."""

Columns = Mapping[str, tuple[int, ...]]
"""The indices of the columns of each field that a file has."""

# Best first, without case, spaces and punctuation.
_USUAL: Final[Mapping[str, Sequence[str]]] = {
    "caller": (
        *("src", "source", "caller", "callernumber", "callerid", "callingnumber", "callingparty", "callingpartynumber"),
        *("anumber", "aparty", "apartynumber", "ani", "cli", "clid", "from", "fromnumber", "origin", "originator"),
        *("originatingnumber", "sourcenumber"),
    ),
    "number": (
        *("dst", "destination", "called", "callee", "callednumber", "calledparty", "calledpartynumber", "bnumber"),
        *("bparty", "bpartynumber", "dialled", "dialed", "diallednumber", "dialednumber", "dnis", "did", "ddi"),
        *("to", "tonumber", "destinationnumber", "accessnumber", "terminatingnumber"),
    ),
    "answer": (
        *("answer", "answered", "answertime", "answeredat", "answertimestamp", "answerdate", "dateanswered"),
        *("connect", "connected", "connecttime", "connectedat", "connecttimestamp"),
    ),
    "start": (
        *("start", "started", "starttime", "startedat", "starttimestamp", "startdate", "startdatetime", "calldate"),
        *("calltime", "callstart", "datetime", "timestamp", "begin", "begintime", "setup", "setuptime"),
    ),
    "end": (
        *("end", "ended", "endtime", "endedat", "endtimestamp", "enddate", "enddatetime", "stop", "stoptime"),
        *("hangup", "hanguptime", "disconnect", "disconnecttime", "release", "releasetime", "callend"),
    ),
    "duration": (
        *("billsec", "billseconds", "billedsec", "billedseconds", "billableseconds", "billedduration"),
        *("duration", "durations", "durationsec", "durationseconds", "callduration", "seconds", "length", "talktime"),
    ),
    "call_id": ("sipcallid", "callid", "sipid", "sipcallidentifier"),
}


def columns(header: Sequence[str], named: Mapping[str, tuple[str, ...]]) -> Columns:
    """Where the fields stand below this header. Raises Invalid when a named column is not there."""
    found = {field: _named(field, header, parts) for field, parts in named.items()}
    bare = [_bare(heading) for heading in header]
    for field in FIELDS:
        if field not in found:
            at = next((bare.index(usual) for usual in _USUAL[field] if usual in bare), None)
            if at is not None:
                found[field] = (at,)
    if not found.keys() & {"start", "answer"} and {"date", "time"} <= set(bare):
        found["start"] = bare.index("date"), bare.index("time")
    return found


def missing(found: Columns) -> str | None:
    """The columns that a file lacks for its calls to be matched, None if it has them."""
    if not found.keys() & {"start", "answer"} and not {"end", "duration"} <= found.keys():
        return "a column of when a call started or was answered (--start-column, --answer-column)"
    if not found.keys() & {"caller", "call_id"}:
        return "a column of the caller or the SIP Call-ID (--caller-column, --call-id-column)"
    return None


def _named(field: str, header: Sequence[str], parts: Sequence[str]) -> tuple[int, ...]:
    return tuple(_position(field, header, part) for part in parts)


def _position(field: str, header: Sequence[str], part: str) -> int:
    wanted = part.strip().casefold()
    for index, heading in enumerate(header):
        if heading.strip().casefold() == wanted:
            return index
    if part.isascii() and part.isdigit() and 0 < int(part) <= len(header):
        return int(part) - 1
    raise Invalid(field, f"there is no column {part!r}; there are {listed(header)}")


def listed(header: Sequence[str]) -> str:
    """The headings of a file as text, quoted and cut to a sane length."""
    shown = ", ".join(repr(heading[:40]) for heading in header[:40])
    return shown + (", …" if len(header) > 40 else "")


def _bare(heading: str) -> str:
    return "".join(character for character in heading.casefold() if character.isalnum())
