"""Real callers against a real Asterisk: each digit is heard once, and what callers note is what the journal notes."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bridge.domain.errors import Invalid
from bridge.sandbox import asterisk_tree, node
from bridge.sandbox.callers import media
from bridge.sandbox.callers.calls import CallFailed, CallLog, Digits, Dtmf, SipCaller, place, start
from bridge.sandbox.callers.load import load
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports
from bridge.sandbox.host.processes import wait_until
from bridge.sandbox.node import Node

CLOSE = 0.05
# 7000 reads digits until the caller goes, 6000 hangs up after a second, 5000 plays 1,000 Hz, 4000 rings.
DIALPLAN = r"""
[bridge-in]
exten => 6000,1,Goto(callee,short,1)
exten => 5000,1,Goto(callee,tone,1)
exten => 4000,1,Goto(callee,ring,1)
exten => 404,1,Hangup(1)
exten => 486,1,Hangup(17)
exten => 503,1,Hangup(34)
exten => _[!-~]!,1,Set(CALLERID(all)=)
 same => n,Set(CALLERID(ani)=)
 same => n,Set(CALLERID(dnid)=)
 same => n,Goto(callee,read,1)
exten => h,1,NoOp()
[callee]
exten => read,1,Gosub(note,1)
 same => n,Answer()
 same => n,Read(CODE,,30,,1,30)
 same => n,Hangup()
exten => short,1,Gosub(note,1)
 same => n,Answer()
 same => n,Wait(1)
 same => n,Hangup()
exten => tone,1,Gosub(note,1)
 same => n,Answer()
 same => n,PlayTones(1000)
 same => n,Wait(30)
exten => ring,1,Gosub(note,1)
 same => n,Ringing()
 same => n,Wait(30)
exten => note,1,Set(CHANNEL(hangup_handler_push)=callee,end,1)
 same => n,Return()
exten => end,1,CELGenUserEvent(HEARD,${CODE}:${FILTER(0-9A-Za-z@.\x2D,${CHANNEL(pjsip,call-id)})})
 same => n,Return()
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """Asterisk's own notes of a call: the digits it heard, and the times of answer and end."""

    digits: str
    answered_at: float | None
    ended_at: float


@dataclass(frozen=True, slots=True)
class Callee:
    """A running Asterisk that answers calls at `address`."""

    node: Node
    address: str

    def heard(self, log: CallLog) -> Heard:
        """The journal's account of a caller's call; waits for it."""
        assert wait_until(lambda: self._find(log.call_id) is not None, 5.0), f"no journal lines of {log}"
        found = self._find(log.call_id)
        assert found is not None
        return found

    def _find(self, call_id: str) -> Heard | None:
        calls: dict[str, dict[str, dict[str, str]]] = {}
        for line in self.node.journal.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                # CHAN_START of a hostile caller: it comes before the dialplan can clean anything.
                continue
            calls.setdefault(event["uniqueid"], {})[event["eventtype"]] = event
        for events in calls.values():
            if not {"HEARD", "HANGUP"} <= events.keys():
                continue
            digits, _, noted = json.loads(events["HEARD"]["eventextra"])["extra"].partition(":")
            if noted == call_id:
                answer = events.get("ANSWER")
                answered_at = float(answer["eventtime"]) if answer else None
                return Heard(digits, answered_at, float(events["HANGUP"]["eventtime"]))
        return None


@pytest.fixture(scope="module")
def callee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callee]:
    """The product's own configuration of Asterisk, with another dialplan."""
    here = node.at(tmp_path_factory.mktemp("callers") / "node", asterisk_tree.get(print))
    with ports.claim(210) as claim:
        here.render(settings(here, claim.first))
        configure(here.etc)
        here.let_load("app_read.so", "app_playtones.so")
        try:
            here.start([claim.descriptor])
            yield Callee(here, f"127.0.0.1:{claim.first}")
        finally:
            here.remove()


def settings(here: Node, port: int) -> dict[str, str]:
    """The environment to render the product's configuration with, on ports from `port` on."""
    return {
        **os.environ,
        "BRIDGE_NODE": "callee",
        "BRIDGE_JOURNAL": str(here.journal),
        "BRIDGE_ARI_URL": f"http://127.0.0.1:{port + 1}",
        "BRIDGE_ARI_PASSWORD": "not-used-here",
        "BRIDGE_AMI_ADDRESS": f"127.0.0.1:{port + 2}",
        "BRIDGE_AMI_PASSWORD": "not-used-here",
        "BRIDGE_SIP_BIND": f"127.0.0.1:{port}",
        "BRIDGE_SIP_TRUNKS": "127.0.0.1",
        "BRIDGE_TRUNKS_DIR": str(here.home / "trunks"),
        "BRIDGE_RTP_PORTS": f"{port + 10}-{port + 209}",
        "BRIDGE_ASTERISK_HOME": str(here.home),
        "BRIDGE_ASTERISK_MODULES": str(here.tree.modules),
        "BRIDGE_ASTERISK_DATA": str(here.data),
    }


def configure(etc: Path) -> None:
    """Put the dialplan of these tests in place of the product's."""
    (etc / "extensions.conf").write_text(DIALPLAN)
    (etc / "indications.conf").touch()
    (etc / "cli.conf").write_text("")
    with (etc / "modules.conf").open("a") as modules:
        modules.write("require = app_read.so\nrequire = app_playtones.so\nrequire = res_pjsip_dtmf_info.so\n")


def away(mine: datetime | None, theirs: float | None) -> float:
    """Seconds between the caller's note of a moment and the journal's."""
    assert mine is not None
    assert theirs is not None
    return abs(mine.timestamp() - theirs)


@pytest.mark.parametrize("tone", [0, 440])
def test_each_digit_is_heard_once_and_times_agree(callee: Callee, tone: int) -> None:
    ways: list[Dtmf] = ["rfc4733", "info", "inband"]
    script = (Digits("1123456"), Digits("77890*A", wait=0.5))
    logs = asyncio.run(
        place([SipCaller("7000", script, dtmf=way, tone=tone, stay=0.2) for way in ways], callee.address)
    )
    for log in logs:
        heard = callee.heard(log)
        assert heard.digits == "112345677890*A"
        assert (log.status, log.ended_by) == (200, "caller")
        assert away(log.answered_at, heard.answered_at) < CLOSE
        assert away(log.ended_at, heard.ended_at) < CLOSE


def test_quiet_callers_are_heard_too(callee: Callee) -> None:
    ways: list[Dtmf] = ["rfc4733", "info", "inband"]
    calls = [SipCaller("7000", (Digits("11223"),), dtmf=way, quiet=True, stay=0.5) for way in ways]
    assert {callee.heard(log).digits for log in asyncio.run(place(calls, callee.address))} == {"11223"}


def test_calls_end_in_every_way(callee: Callee) -> None:
    endings = [
        (SipCaller("6000", hangs_up="far end", stay=10), 200, "far end"),
        (SipCaller("6000", hangs_up="far end", stay=0.3), 200, "caller"),
        (SipCaller("7000", stay=0), 200, "caller"),
        (SipCaller("4000", hangs_up="cancel", stay=0.2), 487, "caller"),
        (SipCaller("404"), 404, "far end"),
        (SipCaller("486"), 486, "far end"),
        (SipCaller("503"), 503, "far end"),
    ]
    logs = asyncio.run(place([caller for caller, _, _ in endings], callee.address))
    assert [(log.status, log.ended_by) for log in logs] == [(status, side) for _, status, side in endings]
    assert 0.9 < logs[0].seconds < 1.2
    assert all(away(log.ended_at, callee.heard(log).ended_at) < CLOSE for log in logs[:4])


def test_an_early_cancel_never_leaves_a_call_behind(callee: Callee) -> None:
    logs = asyncio.run(
        place([SipCaller("7000", hangs_up="cancel", stay=wait / 1000) for wait in range(10)], callee.address)
    )
    assert {log.status for log in logs} <= {200, 487}
    assert {log.ended_by for log in logs} == {"caller"}
    assert wait_until(lambda: "0 active channels" in callee.node.cli("core show channels count"), 5.0)


def test_hostile_names_and_numbers_get_through(callee: Callee) -> None:
    hostile = [
        SipCaller("7013%0A9", (Digits("1"),), caller="44%5C%0D%22%FF,$%7BEXTEN%7D", name="a%22%0A${X},b", stay=0.3),
        SipCaller("7" * 600, (Digits("1"),), caller="4" * 600, name="n" * 600, stay=0.3),
    ]
    assert [callee.heard(log).digits for log in asyncio.run(place(hostile, callee.address))] == ["1", "1"]
    with pytest.raises(Invalid, match="write %0D or %0A"):
        SipCaller("7000\r\nX: y")
    with pytest.raises(Invalid, match="no key of a telephone"):
        SipCaller("7000", (Digits("12x"),))


def test_a_call_can_be_acted_on_while_it_lives(callee: Callee) -> None:
    async def talk() -> CallLog:
        async with start(SipCaller("7000", (Digits("12"),), stay=60), callee.address) as call:
            await call.answered()
            await call.keyed()
            await call.key("34")
            return await call.hang_up()

    assert callee.heard(asyncio.run(talk())).digits == "1234"


def test_a_caller_hears(callee: Callee) -> None:
    async def listen() -> bytes:
        async with start(SipCaller("5000", records=True, stay=2), callee.address) as call:
            await call.finished()
            return bytes(call.heard)

    wave = media.linear(asyncio.run(listen())[-media.RATE :])
    assert np.argmax(np.abs(np.fft.rfft(wave))) == 1000


def test_leaving_and_cancelling_end_the_call(callee: Callee) -> None:
    async def leave() -> CallLog:
        async with start(SipCaller("7000", stay=60), callee.address) as call:
            await call.answered()
        return call.log

    async def cancel() -> None:
        async with asyncio.timeout(1):
            await place([SipCaller("7000", stay=60)] * 3, callee.address)

    assert asyncio.run(leave()).ended_by == "caller"
    with pytest.raises(TimeoutError):
        asyncio.run(cancel())
    assert wait_until(lambda: "0 active channels" in callee.node.cli("core show channels count"), 5.0)


def test_failures_say_what_happened(callee: Callee) -> None:
    async def expect_answer() -> None:
        async with start(SipCaller("404"), callee.address) as call:
            await call.answered()

    with pytest.raises(CallFailed, match="not answered: status 404") as failure:
        asyncio.run(expect_answer())
    assert failure.value.log.status == 404
    with ports.claim(1) as nobody:
        (log,) = asyncio.run(place([SipCaller("7000")], f"127.0.0.1:{nobody.first}", patience=0.5))
    assert (log.status, log.ended_by) == (None, None)
    with pytest.raises(SandboxError, match="Unknown remote host"):
        asyncio.run(place([SipCaller("7000")], "nowhere.invalid:5060"))


def test_a_load_keys_each_code_once(callee: Callee) -> None:
    codes = ["112233", "445566", "778899"]
    report = asyncio.run(load(20, 30, codes, number="7000", target=callee.address, hold=0.5))
    assert (report.attempts, report.successes, report.failures) == (30, 30, {})
    assert sorted(callee.heard(log).digits for log in report.logs) == sorted(codes * 10)
    refused = asyncio.run(load(20, 5, codes, number="486", target=callee.address))
    assert (refused.successes, refused.failures) == (0, {"refused with 486": 5})
