"""A long journal as Asterisk writes it: twelve lines for each stay, many stays at once, and heartbeats between them."""

import heapq
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.domain.provisioning.tenants import SubAccount
from tests.domain.metering.journals import SECOND, alive, booting, line

START = 1_795_435_399 * SECOND
SHORTEST_S, LONGEST_S = 20, 400
BOOT = "node1-1795435399.0"


def write(path: Path, stays: int, rate: float, owners: Sequence[SubAccount], seed: int = 1) -> int:
    """Write `stays` stays, of which `rate` begin each second in the rooms of `owners`, until the last has ended.

    Returns the number of lines. The same seed makes the same journal.
    """
    count = 0
    with path.open("wb") as file:
        for row in itertools.chain(booting(START, BOOT), _sorted(stays, rate, owners, random.Random(seed))):
            file.write(row + b"\n")
            count += 1
    return count


def _sorted(stays: int, rate: float, owners: Sequence[SubAccount], chance: random.Random) -> Iterator[bytes]:
    """Yield lines in the order of their times. Only the lines of open calls are held in memory."""
    waiting: list[tuple[int, int, bytes]] = [(START + SECOND, 0, alive(START + SECOND, 1, BOOT))]
    order, beats = itertools.count(1), itertools.count(2)
    for number in range(stays + 1):
        begins = START + 2 * SECOND + int(number * SECOND / rate)
        while waiting and (number == stays or waiting[0][0] <= begins):
            at, _, row = heapq.heappop(waiting)
            yield row
            if b'"ALIVE"' in row and (waiting or number < stays):
                heapq.heappush(waiting, (at + SECOND + 400, next(order), alive(at + SECOND + 400, next(beats), BOOT)))
        if number < stays:
            owner = owners[chance.randrange(len(owners))]
            seconds = chance.uniform(SHORTEST_S, LONGEST_S)
            for at, row in _call(number, begins, owner, seconds, chance.choice(("host", "guest"))):
                heapq.heappush(waiting, (at, next(order), row))


def _call(number: int, at: int, owner: SubAccount, seconds: float, role: str) -> Iterator[tuple[int, bytes]]:
    """The lines of one call, as on a real switch: the caller joins 1.2 s after the call begins, and later hangs up."""
    uniqueid, channel = f"node1-1795435399.{number + 2}", f"PJSIP/trunk-{number:08x}"
    [room] = owner.rooms
    came = {"channame": channel, "num": f"49301{number % 100_000:05}"}
    stamped = came | {
        "tenantid": str(owner.account_id),
        "accountcode": str(owner.id),
        "userfield": f"{room.passcodes[0].id}:{role}:",
    }
    inside = stamped | {"appname": "ConfBridge", "appdata": f"{room.id},room,{role},{role}_menu"}
    call_id = f"{number}-10140@127.0.0.1"
    called = f"18005550100:{call_id}"
    bridge = {"bridge_id": f"b-{room.id}", "bridge_technology": "softmix"}
    joined = at + 1_205_080
    left = joined + int(seconds * SECOND)
    over = left + 470
    for event, when, extra, fields in (
        ("CHAN_START", at, "", came | {"exten": "18005550100", "context": "bridge-in"}),
        ("CALLED", at + 505, {"extra": called}, came | _said("CALLED", called, "call", "bridge-call")),
        ("ANSWER", at + 1340, "", came | {"exten": "call", "context": "bridge-call", "appname": "Stasis"}),
        ("APP_START", joined - 858, "", inside),
        ("BRIDGE_ENTER", joined, bridge, inside),
        ("BRIDGE_EXIT", left, bridge, inside),
        ("APP_END", left + 97, "", inside),
        ("LEFT", left + 110, {"extra": "HANGUP"}, stamped | _said("LEFT", "HANGUP", "end", "bridge-end")),
        ("ENDED", left + 118, {"extra": f":{call_id}"}, stamped | _said("ENDED", f":{call_id}", "end", "bridge-end")),
        ("HANGUP", over, {"hangupcause": 16, "hangupsource": channel, "dialstatus": ""}, stamped),
        ("CHAN_END", over, "", stamped),
        ("LINKEDID_END", over, "", stamped),
    ):
        yield when, line(event, when, uniqueid, extra, **fields)


def _said(event: str, text: str, exten: str, context: str) -> dict[str, str]:
    """The fields of a line that the dialplan itself writes."""
    return {
        "userdeftype": event,
        "exten": exten,
        "context": context,
        "appname": "CELGenUserEvent",
        "appdata": f"{event},{text}",
    }
