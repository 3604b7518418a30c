"""Records what a real Asterisk sends to the daemon over ARI and AMI: `make record-frames`.

It starts a sandbox, places real calls, and replaces the files in `ari/frames` and `ami/frames`, which tests replay. No
secret is in them: passwords go from the daemon to Asterisk, which is not recorded, and the codes are those of a sandbox
that is removed afterwards.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bridge.asterisk.ari.client import AriLogin, ari_connection
from bridge.asterisk.ari.events import ApplicationReplaced
from bridge.sandbox import company, rest
from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import system
from bridge.sandbox.stack import Sandbox
from tests.asterisk import recordings, relays
from tests.asterisk.relays import AmiRelay, AriRelay

WRONG = "9999999#"
SAME_ANSWERS = 2
"""The daemon asks some things twice a second. More answers to the same request are not worth keeping."""
_ASTERISK_ID = re.compile(r'"asterisk_id":\s*"[0-9a-f:]+"')


@dataclass(slots=True)
class Recording:
    """Frames of ARI and streams of AMI by the names of their files."""

    ari: dict[str, list[str]] = field(default_factory=dict)
    ami: dict[str, bytes] = field(default_factory=dict)


async def record(sandbox: Sandbox, firm: Company) -> Recording:
    """Place calls at a sandbox that is up, and record them."""
    async with relays.between(sandbox) as (ari, ami):
        recording, calls = Recording(), _Calls(sandbox, firm, ari, ami)
        for name, place in (
            ("connected", calls.none),
            ("right_code", calls.host_and_guest),
            ("wrong_codes", calls.wrong_codes),
            ("hang_up_in_prompt", calls.hang_up_in_prompt),
        ):
            await place()
            await calls.echo()
            recording.ari[name] = _worth_keeping(ari.frames)
            ari.frames.clear()
        recording.ami["stays"] = ami.received
        await calls.found_inside()
        recording.ami["found_inside"] = ami.received
        ari.frames.clear()
        await calls.taken_over()
        recording.ari["taken_over"] = _worth_keeping(ari.frames)
    return recording


class _Calls:
    """The calls that are recorded, one method for each recording."""

    def __init__(self, sandbox: Sandbox, firm: Company, ari: AriRelay, ami: AmiRelay) -> None:
        self._sandbox, self._ari, self._ami = sandbox, ari, ami
        self._member = firm.members[0]

    async def none(self) -> None:
        """No call: what is sent to a daemon that has just connected."""
        await _until(lambda: b"No active conferences" in self._ami.received)

    async def host_and_guest(self) -> None:
        """A host and a guest meet; the guest is muted, unmuted and kicked, and the host hangs up."""
        room = self._member.room_id
        async with calls.start(self._key("host"), self._sandbox.sip_address) as host:
            await self._ami_says("ConfbridgeJoin")
            async with calls.start(self._key("guest"), self._sandbox.sip_address):
                await self._ami_says("ConfbridgeJoin", 2)
                for command, event in (("mute", "ConfbridgeMute"), ("unmute", "ConfbridgeUnmute")):
                    self._sandbox.asterisk.cli(f"confbridge {command} {room} participants")
                    await self._ami_says(event)
                self._sandbox.asterisk.cli(f"confbridge kick {room} participants")
                await self._ami_says("ConfbridgeLeave")
            await host.hang_up()
        await self._ami_says("ConfbridgeEnd")

    async def wrong_codes(self) -> None:
        """Three wrong codes, after which the daemon hangs up."""
        script = tuple(Digits(WRONG, 0.5) for _ in range(3))
        await calls.place([SipCaller(ACCESS_NUMBER, script, stay=20.0, hangs_up="far end")], self._sandbox.sip_address)
        await self._ari_says("StasisEnd")

    async def hang_up_in_prompt(self) -> None:
        """A caller who hangs up while the first prompt is played."""
        async with calls.start(SipCaller(ACCESS_NUMBER, stay=30.0), self._sandbox.sip_address) as call:
            await call.answered()
            await asyncio.sleep(0.5)
            await call.hang_up()
        await self._ari_says("StasisEnd")

    async def found_inside(self) -> None:
        """The connection to AMI is lost while a host is inside, who is found there over the next one."""
        async with calls.start(self._key("host"), self._sandbox.sip_address) as host:
            await _until(lambda: self._ami.received.count(b"Event: ConfbridgeJoin\r\n") == 3)
            before = len(self._ami.streams)
            self._ami.cut()
            await _until(lambda: len(self._ami.streams) > before)
            await self._ami_says("ConfbridgeListComplete")
            await host.hang_up()
        await self._ami_says("ConfbridgeEnd")

    async def taken_over(self) -> None:
        """Another client takes the daemon's application over, and the daemon takes it back."""
        settings = self._sandbox.environment
        login = AriLogin(settings["BRIDGE_ARI_URL"], settings["BRIDGE_ARI_USER"], settings["BRIDGE_ARI_PASSWORD"])
        async with asyncio.timeout(20.0), ari_connection(login) as other:
            async for event in other.events():
                if isinstance(event, ApplicationReplaced):
                    break
        await self._ari_says("ApplicationReplaced")

    async def echo(self) -> None:
        """The daemon's own event, which comes back each second, so that every recording holds one."""
        await self._ari_says("ChannelUserevent")

    def _key(self, role: str) -> SipCaller:
        return SipCaller(ACCESS_NUMBER, (Digits(self._member.digits[role], 1.0),), stay=120.0)

    def _has_come(self, kind: str) -> bool:
        return any(json.loads(frame)["type"] == kind for frame in self._ari.frames)

    async def _ari_says(self, kind: str) -> None:
        await _until(lambda: self._has_come(kind))

    async def _ami_says(self, kind: str, times: int = 1) -> None:
        await _until(lambda: self._ami.received.count(f"Event: {kind}\r\n".encode()) >= times)


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60.0):
        while not met():
            await asyncio.sleep(0.05)


def _worth_keeping(frames: list[str]) -> list[str]:
    """Frames without the hardware address of the machine, and without the same answer again and again."""
    kept: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    for text in frames:
        frame = json.loads(text)
        if frame["type"] in ("RESTResponse", "ChannelUserevent"):
            kind = (frame["type"], frame.get("uri", ""), str(frame.get("status_code", "")))
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] > SAME_ANSWERS:
                continue
        kept.append(_ASTERISK_ID.sub('"asterisk_id":"00:00:00:00:00:00"', text))
    return kept


async def _record_anew(sandbox: Sandbox) -> Recording:
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as api:
        return await record(sandbox, await company.create(api, "Northwind Legal"))


def main() -> None:
    """Replace all recordings."""
    system.ensure(system.for_callers(), print)
    with tempfile.TemporaryDirectory(prefix="bridge-record-") as folder:
        sandbox = Sandbox(Path(folder) / "s", print)
        try:
            sandbox.up()
            recording = asyncio.run(_record_anew(sandbox))
        finally:
            sandbox.remove()
    for path in (recordings.ARI, recordings.AMI):
        path.mkdir(exist_ok=True)
    for name, frames in recording.ari.items():
        (recordings.ARI / f"{name}.jsonl").write_text("".join(f"{frame}\n" for frame in frames))
    for name, stream in recording.ami.items():
        (recordings.AMI / f"{name}.txt").write_bytes(stream)


if __name__ == "__main__":
    main()
