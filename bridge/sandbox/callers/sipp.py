"""SIPp as a SIP user agent that Python controls: its process, the messages it records, and commands to it."""

import asyncio
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports

SCENARIO = Path(__file__).parent / "scenarios" / "caller.xml"
# The heading of each message in the output of `-trace_msg` of SIPp 3.6 and 3.7; the length is in bytes.
HEAD = re.compile(rb"-{20,} (\d+-\d+-\d+ [\d:.]+)\n\w+ message (sent|received) [(\[](\d+)[\])]? bytes[^\n]*\n\n")
# Seconds after which a SIPp that nothing stops ends itself.
LONGEST_RUN = 4 * 3600
# Of SIPp's socket: what a switch sends at once after a stall must not push our orders out.
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message as SIPp recorded it, on SIPp's own clock (microseconds)."""

    at: datetime
    sent: bool
    text: str

    @property
    def method(self) -> str:
        """The method of the request, or of the request that a response belongs to."""
        return self.header("CSeq").rpartition(" ")[2] if self.status else self.text.partition(" ")[0]

    @property
    def status(self) -> int | None:
        """The code of a response; None for a request."""
        return int(self.text[8:11]) if self.text.startswith("SIP/2.0 ") else None

    def header(self, name: str) -> str:
        """Return the first value of a header, or an empty string."""
        found = re.search(rf"^{name}\s*:[ \t]*(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""

    @property
    def media(self) -> tuple[str, int] | None:
        """The address that the other side wants audio at, by its SDP."""
        host = re.search(r"^c=IN IP4 (\S+)", self.text, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", self.text, re.MULTILINE)
        return (host[1], int(port[1])) if host and port else None


@dataclass(frozen=True, slots=True)
class Sipp:
    """A running SIPp. `handle` is its pidfd, `media` the socket of the audio port that its calls offer."""

    handle: int
    trace: asyncio.StreamReader
    address: tuple[str, int]
    media: socket.socket
    errors: IO[bytes]

    async def messages(self) -> AsyncIterator[Message]:
        """Yield each message that SIPp sends or receives, at once, until SIPp ends."""
        waiting = b""
        while chunk := await self.trace.read(65536):
            waiting += chunk
            while (head := HEAD.search(waiting)) and len(waiting) >= head.end() + int(head[3]):
                end = head.end() + int(head[3])
                at = datetime.fromisoformat(head[1].decode()).replace(tzinfo=UTC)
                message = Message(at, head[2] == b"sent", waiting[head.end() : end].decode("latin-1"))
                waiting = waiting[end:]
                if message.method not in ("KEY", "HOLD", "HANGUP"):
                    yield message

    def tell(self, call_id: str, order: Literal["KEY", "HOLD", "HANGUP"], key: str = "") -> None:
        """Have a call send one digit by INFO, hold, or end: by BYE, or by CANCEL before the answer."""
        host, port = self.address
        request = (
            f"{order} sip:sipp@{host}:{port} SIP/2.0\r\nCall-ID: {call_id}\r\nFrom: <sip:python@{host}>;tag=p\r\n"
            # SIPp takes a message equal to the last one for a retransmission.
            f"Via: SIP/2.0/UDP {host}:9;branch=z9hG4bK{os.urandom(8).hex()}\r\nTo: <sip:sipp@{host}>\r\n"
            f"CSeq: 1 {order}\r\nKey: {key}\r\nContent-Length: 0\r\n\r\n"
        )
        self.media.sendto(request.encode("latin-1"), self.address)

    def complaint(self) -> str:
        """Return the end of SIPp's standard error."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()[-500:]

    def kill(self) -> None:
        """Kill SIPp. The other side receives no BYE."""
        _kill(self.handle)


@asynccontextmanager
async def run(
    target: str, local: str, fields: Mapping[str, str], formats: str, *options: str, callers: Sequence[str] = ()
) -> AsyncIterator[Sipp]:
    """Run SIPp for the length of the block, calling from the address `local` with `fields` in its messages.

    `formats` are lines of SDP with PORT in place of the port. With `callers`, call n has the caller number
    `callers[(n - 1) % len(callers)]` instead of the one in `fields`. Raises SandboxError if SIPp is missing or does not
    start.
    """
    program = shutil.which("sipp")
    if program is None:
        raise SandboxError("SIPp is missing: it places the calls. Install it with `apt-get install sip-tester`.")
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ports.claim(4) as claim, media, _scenario(callers) as scenario:
        media.setblocking(False)
        media.bind((local, claim.first))
        sip, control = claim.first + 2, claim.first + 3
        keys = {**fields, "my_media": formats.replace("PORT", str(claim.first))}
        command = [program, target, *scenario, "-i", local, "-bind_local", "-p", str(sip)]
        command += ["-ci", "127.0.0.1", "-cp", str(control), "-nostdin", "-timeout", str(LONGEST_RUN)]
        command += ["-base_cseq", "2", "-buff_size", str(BUFFER_BYTES)]
        command += ["-trace_msg", "-message_file", "/dev/fd/PIPE", *options]
        for name, value in keys.items():
            command += ["-key", name, value]
        with tempfile.TemporaryFile() as errors:
            async with _spawned(command, errors) as (handle, trace):
                yield Sipp(handle, trace, (local, sip), media, errors)


@contextmanager
def _scenario(callers: Sequence[str]) -> Iterator[list[str]]:
    """SIPp's options for the scenario; with `callers`, each call takes its number from the next line of a file."""
    if not callers:
        yield ["-sf", str(SCENARIO)]
        return
    with tempfile.TemporaryDirectory(prefix="bridge-sipp-") as folder:
        scenario, numbers = Path(folder) / "caller.xml", Path(folder) / "callers.csv"
        scenario.write_text(SCENARIO.read_text("latin-1").replace("[my_from]", "[field0]"), "latin-1")
        numbers.write_text("\n".join(["SEQUENTIAL", *callers, ""]))
        yield ["-sf", str(scenario), "-inf", str(numbers)]


@asynccontextmanager
async def _spawned(command: list[str], errors: IO[bytes]) -> AsyncIterator[tuple[int, asyncio.StreamReader]]:
    reading, writing = os.pipe()
    trace = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(trace), os.fdopen(reading, "rb", 0)
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *(f"/dev/fd/{writing}" if part == "/dev/fd/PIPE" else part for part in command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[writing],
            # SIPp writes time stamps in local time.
            env={**os.environ, "TZ": "UTC", "TERM": "dumb"},
        )
    except BaseException:
        transport.close()
        raise
    finally:
        os.close(writing)
    handle = os.pidfd_open(process.pid)
    try:
        yield handle, trace
    finally:
        _kill(handle)
        os.close(handle)
        await process.wait()
        transport.close()


def _kill(handle: int) -> None:
    # Process.kill() would poll, and so take the exit status away from asyncio's own watcher.
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
