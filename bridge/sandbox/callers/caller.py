"""Real SIP callers: SIPp does the SIP, Python the audio and the digits. For the demo, tests and benches.

A caller lives top to bottom in `Call._live`: dial, wait for the answer, key, stay, hang up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from bridge.domain.errors import Invalid
from bridge.sandbox.callers import media, stream
from bridge.sandbox.callers import sipp as callers_sipp
from bridge.sandbox.callers.log import CallLog
from bridge.sandbox.callers.media import Dtmf
from bridge.sandbox.callers.sipp import Sipp
from bridge.sandbox.errors import SandboxError

__all__ = ["Call", "CallFailed", "CallLog", "Caller", "Dtmf", "Key", "place", "start"]

TARGET = "127.0.0.1:5060"


class CallFailed(SandboxError):
    """A call did not do what its script says; `log` tells how far it came."""

    def __init__(self, message: str, log: CallLog) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Key:
    """Digits keyed `wait` seconds after the step before: the answer, or the last digit."""

    digits: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom, and what they do.

    `number`, `caller` and `name` go raw into the request URI, the From URI and the quoted display name: `%0A` and
    commas are welcome, real line ends are not. `stay` is in seconds after the last digit; with "far end" it is the
    longest that the caller waits for the other side to hang up before doing it, and with "cancel" the time from the
    first provisional answer to CANCEL. A stay of 0 without a script is a BYE right at the answer. `tone` is in hertz, 0
    is silence; a `quiet` caller sends no RTP but its digits. `local` is the address called from.
    """

    number: str
    script: tuple[Key, ...] = ()
    caller: str = "4930123456"
    name: str = ""
    dtmf: Dtmf = "rfc4733"
    stay: float = 2.0
    hangs_up: Literal["caller", "far end", "cancel"] = "caller"
    tone: int = 0
    quiet: bool = False
    records: bool = False
    local: str = "127.0.0.1"

    def __post_init__(self) -> None:
        for field, text in (("number", self.number), ("caller", self.caller), ("name", self.name)):
            if any(character in text for character in "\r\n\0"):
                raise Invalid(field, "a line end would be another header; write %0D or %0A.")
        for key in self.script:
            media.check_digits("script", key.digits)

    @property
    def fields(self) -> dict[str, str]:
        """The fields of SIPp's scenario."""
        name = f'"{self.name}" ' if self.name else ""
        return {"my_number": self.number, "my_from": self.caller, "my_name": name}

    @property
    def formats(self) -> str:
        """The media description of the offer: telephone-event only by those whose digits are RFC 4733."""
        if self.dtmf == "rfc4733":
            return (
                "m=audio PORT RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
                "a=fmtp:96 0-16\r\na=ptime:20"
            )
        return "m=audio PORT RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20"


class Call:
    """A call in progress. Waits take at most `patience` seconds and raise CallFailed when the call went otherwise.

    `heard` grows by the µ-law audio that the caller hears, if the caller `records`.
    """

    def __init__(self, caller: Caller, sipp: Sipp) -> None:
        self.caller = caller
        self.log = CallLog()
        self.heard = bytearray()
        self._sipp = sipp
        self._stream = stream.Stream(sipp.media, caller.tone, caller.quiet)
        self._changed = asyncio.Event()
        self._over = self._keyed = self._holds = self._leaving = False
        self._asked: Literal["BYE", "CANCEL", None] = None
        self._informed = 0

    async def answered(self, patience: float = 10.0) -> CallLog:
        """Wait for the 200 of INVITE."""
        await self._until(lambda: self.log.answered_at is not None, "was not answered", patience)
        return self.log

    async def keyed(self, patience: float = 60.0) -> CallLog:
        """Wait until the script's last digit has been sent."""
        await self._until(lambda: self._keyed, "did not key all its digits", patience)
        return self.log

    async def finished(self, patience: float | None = None) -> CallLog:
        """Wait for the end of the call, however it comes."""
        await self._until(lambda: self._over, "did not end", patience)
        return self.log

    async def key(self, digits: str) -> None:
        """Key these digits now; returns when the last has been sent."""
        media.check_digits("digits", digits)
        await self.answered()
        for digit in digits:
            if self.caller.dtmf == "info":
                await self._inform(digit)
            else:
                say = media.events if self.caller.dtmf == "rfc4733" else media.tones
                await self._stream.say(say(digit))

    async def hold(self) -> None:
        """Put the other side on hold; returns when it has agreed. Audio goes on, as the music of a PBX does."""
        await self.answered()
        self._sipp.tell(self.log.call_id, "HOLD")
        await self._until(lambda: self._holds, "got no answer to hold", 10.0)

    async def hang_up(self, patience: float = 10.0) -> CallLog:
        """End the call now by BYE, or CANCEL before the answer, whatever the script says; returns when it is over."""
        self._leaving = True
        self._ask_to_end()
        return await self.finished(patience)

    @property
    def complaint(self) -> str:
        """What SIPp said on standard error."""
        return self._sipp.complaint()

    def vanish(self) -> None:
        """Be gone without BYE, like a telephone whose battery is empty."""
        self._sipp.kill()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Fill `heard` meanwhile, if the caller records."""
        loop = asyncio.get_running_loop()
        if self.caller.records:
            loop.add_reader(self._sipp.media, stream.hear, self._sipp.media, self.heard)
        try:
            yield
        finally:
            loop.remove_reader(self._sipp.media)

    async def live(self, patience: float) -> None:
        """The whole call; `patience` is in seconds until the final answer to INVITE."""
        try:
            async with asyncio.TaskGroup() as tasks:
                acting = tasks.create_task(self._act(patience))
                async for message in self._sipp.messages():
                    self.log = self.log.after(message)
                    self._informed += message.method == "INFO" and message.status is not None
                    # The first INVITE is CSeq 1, that of hold is not.
                    self._holds |= message.sent and message.method == "ACK" and message.header("CSeq") != "1 ACK"
                    self._ask_to_end()
                    self._changed.set()
                acting.cancel()
        finally:
            self._over = True
            self._changed.set()

    async def _act(self, patience: float) -> None:
        try:
            await self._until(lambda: self.log.status is not None or self._cancels, "was not answered", patience)
        except CallFailed:
            self._give_up()
        if self.caller.hangs_up == "cancel":
            await self._leave()
        try:
            await self._until(lambda: self.log.media is not None, "was not answered", None)
            assert self.log.media is not None
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stream.run(self.log.media))
                await self._follow_script()
        except* CallFailed:
            # It ended before its script did; the log says how.
            pass

    async def _follow_script(self) -> None:
        for step in self.caller.script:
            await asyncio.sleep(step.wait)
            await self.key(step.digits)
        self._keyed = True
        self._changed.set()
        await self._leave()

    async def _leave(self) -> None:
        await asyncio.sleep(self.caller.stay)
        self._leaving = True
        self._ask_to_end()

    @property
    def _cancels(self) -> bool:
        return self.caller.hangs_up == "cancel" and self.log.proceeding_at is not None

    def _give_up(self) -> None:
        if self.log.proceeding_at is None:
            self._sipp.kill()
        self._leaving = True
        self._ask_to_end()

    def _ask_to_end(self) -> None:
        # CANCEL only after a provisional answer (RFC 3261, 9.1); an answer that crosses it needs a BYE of its own.
        if not self._leaving or self._over or self.log.proceeding_at is None:
            return
        wanted: Literal["BYE", "CANCEL"] = "BYE" if self.log.answered_at else "CANCEL"
        if wanted != self._asked:
            self._asked = wanted
            self._sipp.tell(self.log.call_id, "HANGUP")

    async def _inform(self, digit: str) -> None:
        wanted = self._informed + 1
        self._sipp.tell(self.log.call_id, "KEY", digit)
        await self._until(lambda: self._informed >= wanted, "got no answer to INFO", 10.0)
        # Asterisk plays each digit to itself for its Duration: digits sent faster queue up, and BYE discards them.
        await asyncio.sleep(media.DIGIT_SECONDS)

    async def _until(self, met: Callable[[], bool], what: str, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                while not met():
                    if self._over:
                        raise CallFailed(f"The call to {self._name} {what}: {self._story}", self.log)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise CallFailed(f"The call to {self._name} {what} in {patience} s: {self._story}", self.log) from error

    @property
    def _name(self) -> str:
        return repr(self.caller.number[:40])

    @property
    def _story(self) -> str:
        if not self.log.call_id:
            return f"SIPp placed no call. {self.complaint or 'It said nothing.'}"
        if self.log.proceeding_at is None and self.log.status is None:
            return "nobody answers at this address, or the request was thrown away; see Asterisk's own log."
        return f"status {self.log.status}, ended by {self.log.ended_by}, Call-ID {self.log.call_id}."


@asynccontextmanager
async def start(caller: Caller, target: str = TARGET, patience: float = 10.0) -> AsyncIterator[Call]:
    """Place a call and go on while it lives; leaving the block, however, hangs up a call that is still there.

    `target` is host:port. `patience` is in seconds until the final answer; then the call is given up.
    """
    async with callers_sipp.run(target, caller.local, caller.fields, caller.formats, "-m", "1") as sipp:
        call = Call(caller, sipp)
        with call.listening():
            living = asyncio.create_task(call.live(patience))
            try:
                yield call
            finally:
                with suppress(CallFailed):
                    await call.hang_up(2.0)
                living.cancel()
                await asyncio.wait([living])
            if not living.cancelled():
                living.result()


async def place(callers: Sequence[Caller], target: str = TARGET, patience: float = 10.0) -> list[CallLog]:
    """Place all these calls at once and wait for their ends; logs in the order of the callers.

    A refused call is a log, not an error. Raises SandboxError when a call could not be placed at all.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            placed = [tasks.create_task(_place(caller, target, patience)) for caller in callers]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in placed]


async def _place(caller: Caller, target: str, patience: float) -> CallLog:
    async with start(caller, target, patience) as call:
        await call.finished()
        if not call.log.call_id:
            raise SandboxError(f"SIPp placed no call. {call.complaint or 'It said nothing.'}")
        return call.log
