"""The demo: six real callers dial one number at once and meet in the conferences of three sub-accounts.

It prints their minute records and the bill, and checks both against what the callers logged themselves.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bridge.domain import notation, phone
from bridge.domain.period import SECOND_US
from bridge.sandbox import company, rest
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.callers.log import CallLog
from bridge.sandbox.company import Company, Member
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import system
from bridge.sandbox.host.system import Say
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox

TOLERANCE_S: Final = 1.0
"""A stay or its end may differ by so much from what the caller logged."""
CLOSING_S: Final = 10.0
"""How long the demo waits until the last record is closed and rated."""


@dataclass(frozen=True, slots=True)
class CastMember:
    """One caller of the demo: the sub-account whose room they call, their role there, and what they do."""

    member: Member
    role: str
    caller: SipCaller


def cast(northwind: Company) -> list[CastMember]:
    """Return six callers, two for each sub-account's room. The second keys a wrong passcode first."""
    employee, department, project = northwind.members

    def part(member: Member, role: str, phone: str, stay: float, tone: int, wrong: bool = False) -> CastMember:
        code = Digits(member.digits[role], 1.0)
        script = (Digits("0000000#", 1.0), Digits(member.digits[role], 3.0)) if wrong else (code,)
        return CastMember(member, role, SipCaller(ACCESS_NUMBER, script, caller=phone, stay=stay, tone=tone))

    return [
        part(employee, "host", "12125550101", 26.0, 400),
        part(employee, "guest", "12125550102", 17.0, 0, wrong=True),
        part(department, "host", "442079460103", 21.0, 600),
        part(department, "guest", "442079460104", 14.0, 0),
        part(project, "host", "4930123105", 30.0, 800),
        part(project, "guest", "4930123106", 9.0, 0),
    ]


async def play(sandbox: Sandbox, say: Say) -> bool:
    """Play the demo on a sandbox that is up. Return True if every check holds."""
    system.ensure(system.for_callers(), say)
    environment = sandbox.environment
    async with rest.client(sandbox.api_url, environment["BRIDGE_OPERATOR_KEY"]) as client:
        northwind = await company.create(client, f"Northwind Legal {datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
        say(f"\nThe account {northwind.name!r} has three sub-accounts. One REST request made each, with its passcodes:")
        for member in northwind.members:
            codes = ", ".join(f"{role} {digits}" for role, digits in member.digits.items())
            say(f"  {member.user_id:8} {member.name:24} {member.kind:12} {codes}")
        parts = cast(northwind)
        stranger = SipCaller(
            ACCESS_NUMBER,
            (Digits("9999999#", 2.0), Digits("12345#", 5.0), Digits("8888888#", 5.0)),
            caller="19005550666",
            stay=30.0,
            hangs_up="far end",
        )
        say(f"\nSeven callers dial {ACCESS_NUMBER} at the same time: one mistypes first, and one knows no passcode ...")
        began = time.monotonic()
        *logs, refused = await calls.place([*(part.caller for part in parts), stranger], sandbox.sip_address)
        say(f"all have hung up after {time.monotonic() - began:.0f} s")
        records = await _records(client, northwind, len(parts))
        _show(records, say)
        period = datetime.now(UTC).strftime("%Y-%m")
        say("")
        say(sandbox.bridge("statement", "--account", northwind.id, "--period", period).rstrip())
        [statement] = (await client.get("/v1/statements", account_id=northwind.id, period=period))["items"]
    say("\nThe check, against what the callers themselves logged:")
    checks = [*_stays(parts, logs, records), *_apart(parts, records), *_stranger(refused), *_sums(records, statement)]
    for holds, what in checks:
        say(f"  {'ok    ' if holds else 'FAILED'} {what}")
    return all(holds for holds, _ in checks)


async def _records(client: Rest, northwind: Company, count: int) -> list[Any]:
    """Return the minute records of the account, once `count` of them are rated or CLOSING_S have passed."""
    deadline = time.monotonic() + CLOSING_S
    while True:
        records = await client.all("/v1/minutes", account_id=northwind.id)
        rated = [record for record in records if record["amount"] is not None]
        if len(rated) >= count or time.monotonic() > deadline:
            return records
        await asyncio.sleep(0.1)


def _show(records: Sequence[Mapping[str, Any]], say: Say) -> None:
    say("\nMinute records:")
    say(f"  {'user ID':8} {'caller':13} {'role':5} {'joined (UTC)':15} {'left (UTC)':15} {'seconds':>10} "
        f"{'billed':>6} {'amount':>9}  left because")  # fmt: skip
    for record in records:
        joined, left = record["joined_at"][11:26], (record["left_at"] or "")[11:26]
        say(
            f"  {record['user_id']:8} {record['caller']:13} {record['role']:5} {joined:15} {left:15} "
            f"{notation.seconds(record['duration_us'] or 0):>10} {record['billed_seconds'] or 0:6} "
            f"{record['amount'] or '-':>9}  {record['left_reason']} ({record['evidence']})"
        )


def _stays(
    parts: Sequence[CastMember], logs: Sequence[CallLog], records: Sequence[Mapping[str, Any]]
) -> list[tuple[bool, str]]:
    checks = [(len(records) == len(parts), f"{len(parts)} admitted callers, {len(records)} minute records")]
    by_caller = {record["caller"]: record for record in records}
    worst_length = worst_end = 0.0
    for part, log in zip(parts, logs, strict=True):
        record = by_caller.get(phone.caller(part.caller.caller))
        if record is None or record["left_at"] is None or log.ended_at is None:
            return [*checks, (False, f"{part.caller.caller} has no closed record, or the call did not end")]
        worst_length = max(worst_length, abs(record["duration_us"] / SECOND_US - part.caller.stay))
        left = datetime.fromisoformat(record["left_at"])
        worst_end = max(worst_end, abs((left - log.ended_at).total_seconds()))
    return [
        *checks,
        (worst_length <= TOLERANCE_S, f"durations differ from the callers' stays by at most {worst_length:.3f} s"),
        (worst_end <= TOLERANCE_S, f"ends differ from the callers' own by at most {worst_end:.3f} s"),
    ]


def _apart(parts: Sequence[CastMember], records: Sequence[Mapping[str, Any]]) -> list[tuple[bool, str]]:
    rooms = {phone.caller(part.caller.caller): (part.member.id, part.member.room_id, part.role) for part in parts}
    right = all(
        rooms.get(record["caller"]) == (record["sub_account_id"], record["room_id"], record["role"])
        for record in records
    )
    conferences = {(record["conference_id"], record["sub_account_id"]) for record in records}
    return [
        (right, "every caller was in the room of their own passcode, in its role"),
        (len(conferences) == 3, f"{len(conferences)} conferences, none shared by two sub-accounts"),
    ]


def _stranger(log: CallLog) -> list[tuple[bool, str]]:
    return [(log.ended_by == "far end", f"the stranger was refused after three tries, in {log.seconds:.0f} s")]


def _sums(records: Sequence[Mapping[str, Any]], statement: Mapping[str, Any]) -> list[tuple[bool, str]]:
    charges = sum((Decimal(record["amount"] or 0) for record in records), Decimal(0))
    lines = sum((Decimal(line["amount"]) for line in statement["lines"]), Decimal(0))
    subtotal, total = Decimal(statement["subtotal"]), Decimal(statement["total"])
    whole = subtotal + Decimal(statement["tax"]) + Decimal(statement["rounding"])
    return [
        (charges == lines == subtotal, f"charges {charges} = lines {lines} = subtotal {subtotal}"),
        (whole == total, f"subtotal + tax + rounding = total {total} {statement['currency']}"),
    ]


def run(sandbox: Sandbox, say: Say) -> None:
    """Play the demo, with the sandbox started before and stopped afterwards unless it was up. Raises SandboxError."""
    was_up = all(state.pid for state in sandbox.status())
    try:
        sandbox.up()
        if not asyncio.run(play(sandbox, say)):
            raise SandboxError("The demo's check failed: see the lines marked FAILED above.")
        say("\nThe demo holds.")
    finally:
        if not was_up:
            sandbox.down()
