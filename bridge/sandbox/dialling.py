"""Callers at work: SIPp processes that place real calls, and what they recorded."""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox import call_log, ports, scenario, system
from bridge.sandbox.call_log import CallLog
from bridge.sandbox.caller import Caller
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.scenario import Scenario

# One port for SIP, one for SIPp's own control socket, four for media.
PORTS_PER_SIPP = 10


@dataclass(frozen=True, slots=True)
class Load:
    """One call among many: whom it calls, who calls, and the digits it keys (RFC 4733)."""

    number: str
    caller_id: str
    digits: str


async def place(callers: Sequence[Caller], address: str, folder: Path | None = None) -> list[CallLog]:
    """Place all calls at the same time to the SIP `address` (host:port); their logs, in the order of `callers`.

    SIPp's own files are kept in `folder`, if given. A call that is refused, cancelled or cut off has a log too.
    Raises SandboxError when a call could not be placed at all.
    """
    if any(caller.dtmf == "rfc4733" and caller.keys for caller in callers):
        system.ensure_telephone_events()
    tasks = []
    with _workplace(folder) as work:
        try:
            async with asyncio.TaskGroup() as group:
                for number, caller in enumerate(callers, 1):
                    tasks.append(group.create_task(_call(caller, address, work / f"caller{number}")))
        except* SandboxError as errors:
            raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def load(
    calls: Sequence[Load],
    address: str,
    *,
    rate: float,
    before_digits: float = 0.5,
    hold: float = 1.0,
    audio: bool = True,
    folder: Path | None = None,
) -> list[CallLog]:
    """Place many calls from one SIPp process, `rate` a second; their logs, in the order of `calls`.

    Each keys its digits `before_digits` seconds after the answer and hangs up `hold` seconds after the keying.
    """
    system.ensure_telephone_events()
    play = scenario.of_many(hold, before_digits, audio, max(len(call.digits) for call in calls))
    rows = "".join(f"{call.number};{call.caller_id};{call.digits};\n" for call in calls)
    count = len(calls)
    options = ["-inf", "calls.csv", "-m", str(count), "-r", str(rate), "-l", str(count)]
    with _workplace(folder) as work:
        (work / "calls.csv").write_text("SEQUENTIAL\n" + rows)
        logs = await _sipp(play, address, work, options, play.longest + count / rate + 30)
    found = sorted(logs.items(), key=lambda item: int(item[0].partition("-")[0]))
    return [log for _, log in found]


async def _call(caller: Caller, address: str, work: Path) -> CallLog:
    await asyncio.sleep(caller.start)
    work.mkdir()
    play = scenario.of(caller)
    logs = await _sipp(play, address, work, ["-m", "1"], play.longest + 40)
    return next(iter(logs.values()))


async def _sipp(play: Scenario, address: str, work: Path, options: list[str], patience: float) -> dict[str, CallLog]:
    (work / "scenario.xml").write_bytes(play.xml.encode("latin-1", errors="replace"))
    for name, sound in play.sounds.items():
        (work / name).write_bytes(sound)
    with ports.claim(PORTS_PER_SIPP) as claim:
        local = _own_address(address)
        command = ["sipp", address, "-sf", "scenario.xml", "-i", local, "-mi", local, "-nostdin"]
        command += ["-p", str(claim.first), "-cp", str(claim.first + 1), "-mp", str(claim.first + 2)]
        command += ["-cid_str", f"%u-{uuid.uuid4().hex}@sandbox"]
        command += ["-trace_shortmsg", "-shortmessage_file", "messages.tsv", "-trace_err", "-error_file", "errors.log"]
        await _run([*command, *options], work, patience)
    messages = work / "messages.tsv"
    logs = call_log.read(messages.read_text(errors="replace")) if messages.exists() else {}
    if not logs:
        raise SandboxError(
            f"SIPp placed no call to {address}:\n{tail(work / 'errors.log')}\n{tail(work / 'screen', 5)}"
        )
    return logs


async def _run(command: list[str], work: Path, patience: float) -> None:
    # SIPp's exit status says whether the call went as the scenario has it, which the far end may well decide otherwise.
    with (work / "screen").open("wb") as screen:
        try:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=work, stdin=asyncio.subprocess.DEVNULL, stdout=screen, stderr=screen
            )
        except FileNotFoundError as error:
            raise SandboxError("SIPp is missing. Run this once: sudo apt-get install -y sip-tester") from error
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError as error:
            raise SandboxError(f"SIPp did not end within {patience:.0f} s:\n{tail(work / 'errors.log')}") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="bridge-callers-") as temporary:
        yield Path(temporary)


def _own_address(address: str) -> str:
    """The address of this machine that the far end sees."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        name: tuple[str, int] = probe.getsockname()
        return name[0]
