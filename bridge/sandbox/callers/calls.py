"""Real SIP calls for the demo, tests and benches: SIPp does the SIP; Python sends the audio and the digits.

`SipCall.live` is one call from top to bottom: dial, wait for the answer, send digits, stay, hang up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from bridge.domain.errors import Invalid
from bridge.sandbox.callers import media, sipp, stream
from bridge.sandbox.callers.log import CallLog
from bridge.sandbox.callers.media import Dtmf
from bridge.sandbox.callers.sipp import Sipp
from bridge.sandbox.errors import SandboxError

__all__ = ["CallFailed", "CallLog", "Digits", "Dtmf", "SipCall", "SipCaller", "place", "start"]

TARGET = "127.0.0.1:5060"


class CallFailed(SandboxError):
    """A call did not follow its script; `log` shows how far it came."""

    def __init__(self, message: str, log: CallLog) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits that are sent `wait` seconds after the step before, which is the answer or the last digit."""

    digits: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class SipCaller:
    """A caller: the number to dial, and a script to follow.

    `number`, `to` (by default the same), `caller` and `name` go unescaped into the request URI, the To and From URIs
    and the quoted display name. `headers` are further header fields of the INVITE. `%0A` and commas are allowed, line
    ends are not. `tone` is in hertz, 0 is silence. A `quiet` caller sends no RTP except its
    digits. `local` is the address to call from. `stall` = (begin, length) stops the audio once, `begin` seconds after
    the answer, and sends what was held up at once.

    `stay` is in seconds after the last digit. With `hangs_up="far end"` it is the longest wait for the other side to
    hang up, after which the caller does. With "cancel" it is the time from the first provisional response to CANCEL. A
    stay of 0 without a script is a BYE right at the answer.
    """

    number: str
    script: tuple[Digits, ...] = ()
    caller: str = "4930123456"
    name: str = ""
    to: str = ""
    headers: tuple[str, ...] = ()
    dtmf: Dtmf = "rfc4733"
    offers_fax: bool = False
    stay: float = 2.0
    hangs_up: Literal["caller", "far end", "cancel"] = "caller"
    tone: int = 0
    quiet: bool = False
    records: bool = False
    local: str = "127.0.0.1"
    stall: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        sent = [("number", self.number), ("to", self.to), ("caller", self.caller), ("name", self.name)]
        for field, text in (*sent, *(("headers", each) for each in self.headers)):
            if any(character in text for character in "\r\n\0"):
                raise Invalid(field, "a line end would be another header; write %0D or %0A.")
        for key in self.script:
            media.check_digits("script", key.digits)

    @property
    def fields(self) -> dict[str, str]:
        """The values of the fields in SIPp's scenario."""
        name = f'"{self.name}" ' if self.name else ""
        headers = "".join(f"\r\n{each}" for each in self.headers)
        return {
            "my_number": self.number,
            "my_to": self.to or self.number,
            "my_from": self.caller,
            "my_name": name,
            "my_headers": headers,
        }

    @property
    def formats(self) -> str:
        """The media description (SDP) of the offer. It has telephone-event only if the digits are sent by RFC 4733."""
        fax = "\r\nm=image 9 udptl t38\r\na=T38FaxVersion:0" if self.offers_fax else ""
        if self.dtmf == "rfc4733":
            return (
                "m=audio PORT RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
                f"a=fmtp:96 0-16\r\na=ptime:20{fax}"
            )
        return f"m=audio PORT RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20{fax}"


class SipCall:
    """A call in progress.

    Each method that waits does so for at most `patience` seconds, and raises CallFailed if the call ends first or does
    not get that far. `heard` is the µ-law audio received so far, if the caller `records`.
    """

    def __init__(self, caller: SipCaller, sipp: Sipp) -> None:
        self.caller = caller
        self.log = CallLog()
        self.heard = bytearray()
        self._sipp = sipp
        self._stream = stream.AudioStream(sipp.media, caller.tone, caller.quiet, caller.stall)
        self._progress = asyncio.Event()
        self._over = self._keyed = self._holds = self._leaving = False
        self._asked: Literal["BYE", "CANCEL", None] = None
        self._informed = 0

    async def answered(self, patience: float = 10.0) -> CallLog:
        """Wait for the response 200 to INVITE."""
        await self._until(lambda: self.log.answered_at is not None, "was not answered", patience)
        return self.log

    async def keyed(self, patience: float = 60.0) -> CallLog:
        """Wait until the last digit of the script has been sent."""
        await self._until(lambda: self._keyed, "did not key all its digits", patience)
        return self.log

    async def finished(self, patience: float | None = None) -> CallLog:
        """Wait for the end of the call, whichever side ends it."""
        await self._until(lambda: self._over, "did not end", patience)
        return self.log

    async def key(self, digits: str) -> None:
        """Send these digits now. Returns when the last has been sent."""
        media.check_digits("digits", digits)
        await self.answered()
        for digit in digits:
            if self.caller.dtmf == "info":
                await self._inform(digit)
            else:
                say = media.events if self.caller.dtmf == "rfc4733" else media.tones
                await self._stream.say(say(digit))

    async def hold(self) -> None:
        """Put the other side on hold. Returns when it has accepted. Audio goes on, like a PBX's music on hold."""
        await self.answered()
        self._sipp.tell(self.log.call_id, "HOLD")
        await self._until(lambda: self._holds, "got no response to hold", 10.0)

    async def hang_up(self, patience: float = 10.0) -> CallLog:
        """End the call now, by BYE, or by CANCEL before the answer. Returns when the call is over."""
        self._leaving = True
        self._ask_to_end()
        return await self.finished(patience)

    @property
    def complaint(self) -> str:
        """The end of SIPp's standard error."""
        return self._sipp.complaint()

    def vanish(self) -> None:
        """Disappear without a BYE, like a telephone whose battery is empty."""
        self._sipp.kill()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Append received audio to `heard` within the block, if the caller records."""
        loop = asyncio.get_running_loop()
        if self.caller.records:
            loop.add_reader(self._sipp.media, stream.hear, self._sipp.media, self.heard)
        try:
            yield
        finally:
            loop.remove_reader(self._sipp.media)

    async def live(self, patience: float) -> None:
        """Carry out the whole call. The final response to INVITE must come within `patience` seconds."""
        try:
            async with asyncio.TaskGroup() as tasks:
                acting = tasks.create_task(self._act(patience))
                async for message in self._sipp.messages():
                    self.log = self.log.after(message)
                    self._informed += message.method == "INFO" and message.status is not None
                    # The first INVITE is CSeq 1, that of hold is not.
                    self._holds |= message.sent and message.method == "ACK" and message.header("CSeq") != "1 ACK"
                    self._ask_to_end()
                    self._progress.set()
                acting.cancel()
        finally:
            self._over = True
            self._progress.set()

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
            # The call ended before its script did; the log shows how.
            pass

    async def _follow_script(self) -> None:
        for step in self.caller.script:
            await asyncio.sleep(step.wait)
            await self.key(step.digits)
        self._keyed = True
        self._progress.set()
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
        # CANCEL is allowed only after a provisional response (RFC 3261, 9.1). An answer that crosses it needs a BYE.
        if not self._leaving or self._over or self.log.proceeding_at is None:
            return
        method: Literal["BYE", "CANCEL"] = "BYE" if self.log.answered_at else "CANCEL"
        if method != self._asked:
            self._asked = method
            self._sipp.tell(self.log.call_id, "HANGUP")

    def send_info(self, digit: str) -> None:
        """Send one digit by SIP INFO, whichever way the caller's other digits go, and wait for nothing."""
        self._sipp.tell(self.log.call_id, "KEY", digit)

    async def _inform(self, digit: str) -> None:
        expected = self._informed + 1
        self.send_info(digit)
        await self._until(lambda: self._informed >= expected, "got no response to INFO", 10.0)
        # Asterisk plays each digit to itself for its Duration: digits sent faster queue up, and BYE discards them.
        await asyncio.sleep(media.DIGIT_SECONDS)

    async def _until(self, met: Callable[[], bool], what: str, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                while not met():
                    if self._over:
                        raise CallFailed(f"The call to {self._name} {what}: {self._story}", self.log)
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError as error:
            raise CallFailed(f"The call to {self._name} {what} in {patience} s: {self._story}", self.log) from error

    @property
    def _name(self) -> str:
        return repr(self.caller.number[:40])

    @property
    def _story(self) -> str:
        if not self.log.call_id:
            return f"SIPp placed no call. {self.complaint or 'It wrote no error.'}"
        if self.log.proceeding_at is None and self.log.status is None:
            return "nothing answers at this address, or the request was dropped; see Asterisk's own log."
        return f"status {self.log.status}, ended by {self.log.ended_by}, Call-ID {self.log.call_id}."


@asynccontextmanager
async def start(caller: SipCaller, target: str = TARGET, patience: float = 10.0) -> AsyncIterator[SipCall]:
    """Place a call, and hang it up at the end of the block if it is still there.

    `target` is host:port. The call is given up if no final response to INVITE comes within `patience` seconds.
    """
    async with sipp.run(target, caller.local, caller.fields, caller.formats, "-m", "1") as process:
        call = SipCall(caller, process)
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


async def place(callers: Sequence[SipCaller], target: str = TARGET, patience: float = 10.0) -> list[CallLog]:
    """Place all these calls at once, wait until all are over, and return their logs in the order of the callers.

    A refused call has a log and is no error. Raises SandboxError if a call could not be placed at all.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            placed = [tasks.create_task(_place(caller, target, patience)) for caller in callers]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in placed]


async def _place(caller: SipCaller, target: str, patience: float) -> CallLog:
    async with start(caller, target, patience) as call:
        await call.finished()
        if not call.log.call_id:
            raise SandboxError(f"SIPp placed no call. {call.complaint or 'It wrote no error.'}")
        return call.log
