"""Turns values of the fold into rows of the ledger, and back."""

import json
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy.engine import RowMapping

from bridge.domain.metering.arrival import Arrival
from bridge.domain.metering.journal_line import ClockReading, Entering
from bridge.domain.metering.records import (
    Call,
    Evidence,
    Identity,
    Incident,
    MinuteRecord,
    OpenCall,
    OpenStay,
    Outcome,
    clean,
    instant,
    microseconds,
)
from bridge.domain.metering.switch_timeline import (
    HiddenSpan,
    NoReplay,
    PossibleReplay,
    Replay,
    ReplayOf,
    SwitchState,
)
from bridge.domain.provisioning import trunk

INT32 = 2**31 - 1


def open_call(call: OpenCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "node": call.node,
        "boot": call.boot,
        "uniqueid": call.uniqueid,
        "channel": clean(call.channel),
        "caller": clean(call.caller),
        "access_number": clean(call.access_number),
        "sip_call_id": clean(call.sip_call_id),
        "started_at": instant(call.started_us),
        "answered_at": None if call.answered_us is None else instant(call.answered_us),
        "outcome": call.outcome.value,
        "evidence": call.evidence.value,
        "trunk_id": _trunk_id(call.channel),
    }


def call(closed: Call) -> dict[str, Any]:
    return {
        **open_call(closed.call),
        "ended_at": instant(closed.ended_us),
        "duration_us": closed.ended_us - closed.call.started_us,
        "cause": max(-INT32, min(closed.cause, INT32)),
        "evidence": closed.evidence.value,
    }


def open_stay(stay: OpenStay) -> dict[str, Any]:
    return {
        **_stay(stay),
        "left_at": None if stay.left_us is None else instant(stay.left_us),
        "evidence": stay.evidence.value,
        "error_bound_us": stay.error_bound_us,
        "result": clean(stay.result),
        "deducted_us": stay.deducted_us,
        "doubt_us": stay.doubt_us,
        "seen_us": stay.seen_us,
    }


def minute_record(record: MinuteRecord) -> dict[str, Any]:
    return {
        **_stay(record.stay),
        "left_at": instant(record.left_us),
        "duration_us": record.duration_us,
        "left_reason": record.reason.value,
        "evidence": record.evidence.value,
        "error_bound_us": record.error_bound_us,
    }


def incident(node: str, boot: str, seen: Incident) -> dict[str, Any]:
    at = instant(seen.at)
    return {"node": node, "boot": boot, "at": at, "kind": clean(seen.kind), "subject": clean(seen.subject)}


def _stay(stay: OpenStay) -> dict[str, Any]:
    stamped = {
        "account_id": stay.account_id,
        "sub_account_id": stay.sub_account_id,
        "passcode_id": stay.passcode_id,
        "room": stay.room,
    }
    ids = {
        "account_id": uuid_or_none(stay.account_id),
        "sub_account_id": uuid_or_none(stay.sub_account_id),
        "passcode_id": uuid_or_none(stay.passcode_id),
        "room_id": uuid_or_none(stay.room.partition(".")[0]),
    }
    return {
        "id": stay.identity.id,
        "node": stay.identity.node,
        "boot": stay.boot,
        "uniqueid": stay.identity.uniqueid,
        "bridge_id": stay.bridge_id,
        "conference_id": stay.conference_id,
        "room": stay.room,
        **ids,
        "role": stay.role,
        "project_code": stay.project_code,
        "channel": clean(stay.channel),
        "caller": clean(stay.caller),
        "access_number": clean(stay.access_number),
        "trunk_id": _trunk_id(stay.channel),
        "stamped": json.dumps(stamped) if None in ids.values() else None,
        "joined_at": instant(stay.identity.joined_us),
    }


def call_of(row: RowMapping) -> OpenCall:
    """The open call that a row was made from."""
    return OpenCall(
        row["node"],
        row["boot"],
        row["uniqueid"],
        row["channel"],
        row["caller"],
        row["access_number"],
        row["sip_call_id"],
        microseconds(row["started_at"]),
        None if row["answered_at"] is None else microseconds(row["answered_at"]),
        Outcome(row["outcome"]),
        Evidence(row["evidence"]),
    )


def switch_state(seen: SwitchState) -> dict[str, Any]:
    """The state of the switch, as JSON."""
    return asdict(replace(seen, entering=tuple(map(_cleaned, seen.entering)))) | {"again": _stored(seen.again)}


def _stored(replay: Replay) -> str:
    match replay:
        case NoReplay():
            return ""
        case PossibleReplay():
            return "?"
        case ReplayOf(boot):
            return boot


def _cleaned(arrival: Arrival) -> Arrival:
    fact = arrival.fact
    if fact is None:
        return arrival
    return replace(arrival, fact=replace(fact, channel=clean(fact.channel), caller=clean(fact.caller)))


def switch_state_of(row: dict[str, Any]) -> SwitchState:
    """The state of the switch that a row was made from. A field that the row does not have is as at the beginning."""
    known = {name: tuple(row.get(name, ())) for name in ("past", "newcomers")}
    entering = tuple(map(_arrival_of, row.get("entering", ())))
    hidden = tuple(HiddenSpan(**span) for span in row.get("hidden", ()))
    hiding = HiddenSpan(**row["hiding"]) if row.get("hiding") else None
    freezes = tuple((froze, woke) for froze, woke in row.get("freezes", ()))
    clock = ClockReading(**row["clock"]) if row.get("clock") else None
    found: dict[str, Any] = {
        "entering": entering,
        "hidden": hidden,
        "hiding": hiding,
        "clock": clock,
        "freezes": freezes,
    }
    found["again"] = _replay_of(row.get("again", ""))
    return SwitchState(**{**row, **known, **found})


def _replay_of(stored: str) -> Replay:
    match stored:
        case "":
            return NoReplay()
        case "?":
            return PossibleReplay()
        case boot:
            return ReplayOf(boot)


def _arrival_of(row: Any) -> Arrival:
    if isinstance(row, list):
        return Arrival(*row)  # from before the line that led to it was kept
    fact = Entering(**{"access_number": None, **row["fact"]}) if row["fact"] else None
    return Arrival(row["uniqueid"], row["by_us"], fact)


def stay_of(row: RowMapping) -> OpenStay:
    """The open stay that a row was made from."""
    ids = json.loads(row["stamped"]) if row["stamped"] else row
    identity = Identity(row["node"], row["uniqueid"], row["bridge_id"], microseconds(row["joined_at"]))
    told_by_exit = "" if identity.id == row["id"] else row["bridge_id"]
    return OpenStay(
        replace(identity, bridge_id="") if told_by_exit else identity,
        row["boot"],
        row["room"],
        str(ids["account_id"]),
        str(ids["sub_account_id"]),
        str(ids["passcode_id"]),
        row["role"],
        row["project_code"],
        row["channel"],
        row["caller"],
        row["access_number"],
        None if row["left_at"] is None else microseconds(row["left_at"]),
        Evidence(row["evidence"]),
        row["error_bound_us"],
        row["result"],
        row["deducted_us"],
        row["doubt_us"],
        row["seen_us"],
        told_by_exit,
    )


def _trunk_id(channel: str) -> UUID | None:
    return uuid_or_none(trunk.of_channel(channel))


@lru_cache(4096)
def uuid_or_none(text: str) -> UUID | None:
    """The UUID that the text is the usual form of, None for any other text."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
