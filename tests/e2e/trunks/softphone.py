"""baresip, the softphone of Debian, controlled over its own TCP interface. It logs in at a trunk, calls, and records.

Its interface takes JSON in netstrings, and reports events the same way (baresip's module `ctrl_tcp`).
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge.sandbox.host import ports, system
from bridge.sandbox.host.system import Package

MODULES = ("g711.so", "ausine.so", "aubridge.so", "sndfile.so", "srtp.so")
LONGEST_S = 20.0
CONTROL = 5
"""Its control port, counted from the first. It listens for SIP on the first, and for SIP over TLS on the second."""


def ensure() -> None:
    """Install baresip, if it is missing."""
    present = shutil.which("baresip") is not None
    system.ensure([Package("baresip-core", "a softphone that nobody here wrote", present)], print)


@dataclass(frozen=True)
class Account:
    """Where the softphone logs in: `target` is host:port of the bridge, `secret` the trunk's password."""

    user: str
    secret: str
    target: str
    transport: str = "udp"
    srtp: bool = False
    certificate: Path | None = None
    local: str = "127.0.0.1"

    @property
    def line(self) -> str:
        media = ";mediaenc=srtp-mand" if self.srtp else ""
        return (
            f"<sip:{self.user}@{self.target};transport={self.transport}>;auth_user={self.user};"
            f"auth_pass={self.secret};regint=60{media};audio_codecs=PCMU\n"
        )


@dataclass
class Softphone:
    """A running baresip in `folder`, where its log is, and what it records of what it hears."""

    account: Account
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    writer: asyncio.StreamWriter | None = None

    async def command(self, name: str, params: str = "") -> str:
        """Carry out a command, and return what it says. Fails if it is refused."""
        assert self.writer is not None
        before = len(self.answers)
        text = json.dumps({"command": name, "params": params}).encode()
        self.writer.write(b"%d:%s," % (len(text), text))
        async with asyncio.timeout(LONGEST_S), self.news:
            await self.news.wait_for(lambda: len(self.answers) > before)
        answer = self.answers[before]
        assert answer["ok"], answer
        return str(answer["data"])

    async def event(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait for the event of a kind, and return it; with `count`, for so many of them."""

        def seen() -> list[dict[str, Any]]:
            return [each for each in self.events if each["type"] == kind]

        try:
            async with asyncio.timeout(LONGEST_S), self.news:
                await self.news.wait_for(lambda: len(seen()) >= count)
        except TimeoutError:
            raise AssertionError(f"no {kind}: {self.events}") from None
        return seen()[count - 1]

    async def logs(self, text: str) -> None:
        """Wait until its log has a text. It may have logged in before anybody listens to its events."""
        path = self.folder / "log"
        try:
            async with asyncio.timeout(LONGEST_S):
                while text not in path.read_text(errors="replace"):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in the softphone's log") from None

    async def dial(self, number: str) -> None:
        """Call a number, and wait until the call is answered."""
        await self.command("dial", f"sip:{number}@{self.account.target};transport={self.account.transport}")
        await self.event("CALL_ESTABLISHED")

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take in events and answers until the connection ends."""
        while True:
            try:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            async with self.news:
                (self.events if message.get("event") else self.answers).append(message)
                self.news.notify_all()

    def samples(self) -> Any:
        """What it has heard, as samples at 8 kHz. The file's header is only right at the end, and is not read."""
        [heard, *_] = [*self.folder.glob("*-dec.wav"), None]
        data = heard.read_bytes()[44:] if heard else b""
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float64)


def level(samples: Any, hertz: float) -> float:
    """The share of a tone in the power of some samples at 8 kHz, from 0 to 1."""
    if len(samples) < 800 or not np.any(samples):
        return 0.0
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / 8000)
    return float(power[np.abs(at - hertz) < 15].sum() / power.sum())


@asynccontextmanager
async def running(folder: Path, account: Account, tone: int) -> AsyncIterator[Softphone]:
    """Run a softphone that sends a tone, and wait until it has logged in. Fails with its log if it does not."""
    ensure()
    folder.mkdir(parents=True)
    phone = Softphone(account, folder)
    with ports.claim(60) as claim:
        _configure(folder, account, claim.first, tone)
        version = "-6" if account.local.startswith("[") else "-4"
        command = ["baresip", version, "-f", str(folder)]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            reader, phone.writer = await _connected(claim.first + CONTROL)
            reading = asyncio.create_task(phone.read(reader))
            try:
                yield phone
            except BaseException:
                print((folder / "log").read_text(errors="replace")[-4000:])
                raise
            finally:
                reading.cancel()
                phone.writer.close()
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(5.0):
                        await process.wait()
                except TimeoutError:
                    process.kill()
            await process.wait()


def _configure(folder: Path, account: Account, first: int, tone: int) -> None:
    lines = [
        f"sip_listen {account.local}:{first}",
        *([f"sip_cafile {account.certificate}"] if account.certificate else []),
        "call_local_timeout 120",
        f"audio_source ausine,{tone}",
        "audio_player aubridge,ear",
        "audio_alert aubridge,bell",
        f"snd_path {folder}",
        "ausrc_srate 48000",
        "auplay_srate 8000",
        "ausrc_channels 2",
        "auplay_channels 1",
        f"rtp_ports {first + 10}-{first + 59}",
        f"ctrl_tcp_listen 127.0.0.1:{first + CONTROL}",
        f"module_path {_modules()}",
        *(f"module {name}" for name in MODULES),
        "module_tmp account.so",
        "module_app menu.so",
        "module_app ctrl_tcp.so",
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")
    (folder / "accounts").write_text(account.line)
    (folder / "contacts").write_text("")


def _modules() -> Path:
    found = next(_candidates(), None)
    assert found is not None, "baresip's modules are not where Debian puts them"
    return found


def _candidates() -> Iterator[Path]:
    return (path.parent for path in Path("/usr/lib").glob("**/baresip/modules/g711.so"))


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(LONGEST_S):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
