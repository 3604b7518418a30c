"""The callers of a run: one SIPp places all calls, and each has its own plan and its own log."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.domain.metering.records import microseconds
from bridge.sandbox.callers import calls, media, sipp
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.callers.log import CallLog
from bridge.sandbox.callers.media import SILENCE, TELEPHONE_EVENT, Frame
from bridge.sandbox.callers.sipp import Message, Sipp
from bridge.sandbox.callers.stream import AudioStream
from bridge.sandbox.errors import SandboxError
from tests.faults.plan import Ghost, Visit

# Seconds for the answer, and for the end after a BYE that may have to be repeated for half a minute.
PATIENCE_S, FAREWELL_S = 20.0, 40.0
# A telephone that sends something each second is alive, and is cheap.
BREATH_S = 1.0
REPEAT_S = 1.0
END_OF_EVENT = 0x80


@dataclass(frozen=True, slots=True)
class CallerReport:
    """A caller's own log of the call. Times are in µs since 1970 on the caller's clock; None: it did not happen.

    `keyed_us` is when the last digit's end was first sent, `ended_us` when BYE was sent or received, `vanished_us` when
    a ghost fell silent.
    """

    call_id: str
    joins: bool
    invited_us: int | None
    answered_us: int | None
    keyed_us: int | None
    ended_us: int | None
    ended_by: str | None
    vanished_us: int | None = None


class Telephone:
    """A socket for audio that remembers when the end of the last digit was sent.

    All callers share one address, so that the switch can't tell their audio apart. A caller whose switch has died
    therefore sends nothing more: the next call at the same port of Asterisk would hear it.
    """

    def __init__(self, media: socket.socket, deaths: Callable[[], int]) -> None:
        self._media = media
        self._deaths = deaths
        self._died_before = deaths()
        self.keyed_us: int | None = None
        self._event = b""

    def sendto(self, packet: bytes, remote: tuple[str, int]) -> None:
        # The end of a digit is sent three times, with one timestamp.
        if packet[1] & 0x7F == TELEPHONE_EVENT and packet[13] & END_OF_EVENT and packet[4:8] != self._event:
            self._event = packet[4:8]
            self.keyed_us = now_us()
        if self._deaths() == self._died_before:
            self._media.sendto(packet, remote)


class Crowd:
    """All visits of a plan. `codes` returns the code of a room and role, `deaths` how often the switch has died."""

    def __init__(
        self,
        visits: Sequence[Visit],
        codes: Callable[[int, str], str],
        number: str,
        target: str,
        deaths: Callable[[], int],
    ) -> None:
        self._visits = visits
        self._deaths = deaths
        self._codes = codes
        self._caller = SipCaller(number, quiet=True)
        self._target = target
        self._logs: dict[str, CallLog] = {}
        self._keyed: dict[str, int] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    @property
    def placed(self) -> int:
        """The number of calls that have begun."""
        return len(self._logs)

    @property
    def going(self) -> int:
        """The number of calls that were answered and have not ended."""
        return sum(log.answered_at is not None and log.ended_at is None for log in self._logs.values())

    async def run(self, rate: float) -> None:
        """Place all calls and wait for their ends, at most for the longest stay and FAREWELL_S."""
        pace = ["-m", str(len(self._visits)), "-r", str(round(rate * 10)), "-rp", "10000", "-l", str(len(self._visits))]
        caller = self._caller
        longest = len(self._visits) / rate + PATIENCE_S + max(visit.think_s + visit.stay_s for visit in self._visits)
        async with sipp.run(self._target, caller.local, caller.fields, caller.formats, *pace) as process:
            try:
                async with asyncio.timeout(longest + FAREWELL_S):
                    async for message in process.messages():
                        self._hear(process, message)
            except TimeoutError:
                pass
            finally:
                await self._end_lives()
            if self.placed < len(self._visits):
                raise SandboxError(f"SIPp placed {self.placed} of {len(self._visits)} calls: {process.complaint()}")

    async def _end_lives(self) -> None:
        for life in self._lives.values():
            life.cancel()
        for outcome in await asyncio.gather(*self._lives.values(), return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def told(self) -> list[CallerReport]:
        """The reports of all callers."""
        return [
            _told(log, self._keyed.get(call_id), not self._visit(call_id).abandons)
            for call_id, log in self._logs.items()
        ]

    def _hear(self, process: Sipp, message: Message) -> None:
        call_id = message.header("Call-ID")
        if call_id not in self._logs:
            self._changed[call_id] = asyncio.Event()
            self._lives[call_id] = asyncio.create_task(self._live(process, call_id))
        self._logs[call_id] = log = self._logs.get(call_id, CallLog()).after(message)
        self._changed[call_id].set()
        if log.ended_at is not None:
            self._lives[call_id].cancel()
        elif self._lives[call_id].done():
            # The answer crossed our CANCEL.
            self._lives[call_id] = asyncio.create_task(_hang_up(process, call_id))

    def _visit(self, call_id: str) -> Visit:
        # SIPp's Call-ID is its call number, from 1 on, and its pid.
        return self._visits[int(call_id.partition("-")[0]) - 1]

    async def _live(self, process: Sipp, call_id: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                remote = await self._answered(call_id)
            await self._talk(process, call_id, remote)
        except TimeoutError:
            # Nobody answers: what follows is a CANCEL.
            pass
        await _hang_up(process, call_id)

    async def _answered(self, call_id: str) -> tuple[str, int]:
        while (remote := self._logs.get(call_id, CallLog()).media) is None:
            self._changed[call_id].clear()
            await self._changed[call_id].wait()
        return remote

    async def _talk(self, process: Sipp, call_id: str, remote: tuple[str, int]) -> None:
        visit = self._visit(call_id)
        telephone = Telephone(process.media, self._deaths)
        stream = AudioStream(telephone, quiet=True)  # type: ignore[arg-type]
        speaking = asyncio.create_task(stream.run(remote))
        try:
            await asyncio.sleep(visit.think_s)
            code = self._codes(visit.room, visit.role)
            digits = code[: len(code) // 2] if visit.abandons else code
            await stream.say(frame for digit in digits for frame in media.events(digit))
            if visit.abandons:
                return
            assert telephone.keyed_us is not None
            self._keyed[call_id] = telephone.keyed_us
            await _breathe(stream, visit.stay_s)
        finally:
            speaking.cancel()


async def _hang_up(process: Sipp, call_id: str) -> None:
    """Order a call to end, until cancelled: an order can get lost where a switch that wakes sends all at once."""
    while True:
        process.tell(call_id, "HANGUP")
        await asyncio.sleep(REPEAT_S)


async def haunt(ghost: Ghost, code: str, number: str, target: str) -> CallerReport:
    """Place the call of a caller who vanishes without BYE."""
    caller = SipCaller(number, (Digits(code, 0.5),), stay=ghost.stay_s + 60.0)
    await asyncio.sleep(ghost.at_s)
    async with calls.start(caller, target) as call:
        await call.keyed()
        await asyncio.sleep(ghost.stay_s)
        call.vanish()
        await call.finished(5.0)
        # The last audio has gone out by now.
        vanished_us = now_us()
    told = _told(call.log, None, True)
    return replace(told, vanished_us=vanished_us)


async def _breathe(stream: AudioStream, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(BREATH_S, left))
        await stream.say([Frame((SILENCE,))])


def _told(log: CallLog, keyed_us: int | None, joins: bool) -> CallerReport:
    def us(name: str) -> int | None:
        at = getattr(log, name)
        return None if at is None else microseconds(at)

    return CallerReport(log.call_id, joins, us("invited_at"), us("answered_at"), keyed_us, us("ended_at"), log.ended_by)


def now_us() -> int:
    """The machine's clock, µs since 1970."""
    return time.time_ns() // 1000
