"""Many calls at a steady rate from one SIPp, for benches. Each sends a code by RFC 4733, stays, and hangs up."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.domain.errors import Invalid
from bridge.sandbox.callers import media, sipp
from bridge.sandbox.callers.calls import TARGET, SipCaller
from bridge.sandbox.callers.log import CallLog
from bridge.sandbox.callers.sipp import Message, Sipp
from bridge.sandbox.callers.stream import AudioStream
from bridge.sandbox.errors import SandboxError

# Seconds after the last call's hold within which all calls must have ended.
GRACE = 40.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The results of the calls. A success was answered, sent all its digits, stayed, and hung up itself.

    `complaint` is the end of SIPp's standard error.
    """

    attempts: int
    successes: int
    failures: Mapping[str, int]
    logs: tuple[CallLog, ...]
    complaint: str = ""


async def load(
    rate: float,
    calls: int,
    codes: Sequence[str],
    *,
    number: str,
    target: str = TARGET,
    hold: float = 2.0,
    tone: int | None = None,
    callers: Sequence[str] = (),
) -> LoadReport:
    """Place `calls` calls, `rate` a second.

    Call n sends `codes[n % len(codes)]` at the answer and stays `hold` seconds. With a `tone` (in Hz; 0 is silence)
    each call sends audio all the time. Call n comes from `callers[n % len(callers)]`. Without `callers`, all calls come
    from one number, and a lockout that one of them causes then delays the others.
    """
    for code in codes:
        media.check_digits("codes", code)
    for from_number in callers:
        media.check_digits("callers", from_number)
    if not codes or rate <= 0:
        raise Invalid("codes" if not codes else "rate", "a load needs at least one code, and a rate above 0.")
    caller = SipCaller(number, quiet=tone is None, tone=tone or 0)
    # Without -l, SIPp limits the calls at once to three times the rate times its own guess of their length.
    pace = ["-m", str(calls), "-r", str(rate * 10), "-rp", "10000", "-l", str(calls)]
    async with sipp.run(target, caller.local, caller.fields, caller.formats, *pace, callers=callers) as process:
        crowd = _Crowd(process, caller, codes, hold)
        try:
            async with asyncio.timeout(calls / rate + hold + GRACE):
                await crowd.run()
        except TimeoutError:
            crowd.stop()
        return crowd.report(calls)


class _Crowd:
    def __init__(self, sipp: Sipp, caller: SipCaller, codes: Sequence[str], hold: float) -> None:
        self._sipp, self._caller, self._codes, self._hold = sipp, caller, codes, hold
        self._logs: dict[str, CallLog] = {}
        self._visits: dict[str, asyncio.Task[None]] = {}
        self._held: set[str] = set()

    async def run(self) -> None:
        async for message in self._sipp.messages():
            self._hear(message)
        self.stop()
        if not self._logs:
            raise SandboxError(f"SIPp placed no call: {self._sipp.complaint() or 'it wrote no error'}")
        await asyncio.gather(*self._visits.values(), return_exceptions=True)

    def stop(self) -> None:
        for visit in self._visits.values():
            visit.cancel()

    def report(self, calls: int) -> LoadReport:
        reasons = Counter(self._reason(log) for log in self._logs.values())
        reasons["not placed"] = calls - len(self._logs)
        successes = reasons.pop("", 0)
        return LoadReport(calls, successes, dict(+reasons), tuple(self._logs.values()), self._sipp.complaint())

    def _hear(self, message: Message) -> None:
        call_id = message.header("Call-ID")
        before = self._logs.get(call_id, CallLog())
        self._logs[call_id] = log = before.after(message)
        if log.media and not before.media:
            self._visits[call_id] = asyncio.create_task(self._visit(log, log.media))
        elif log.ended_at and not before.ended_at and (visit := self._visits.get(call_id)):
            visit.cancel()

    async def _visit(self, log: CallLog, remote: tuple[str, int]) -> None:
        # All calls share one socket. The audio that comes back is not read, and the kernel drops it.
        stream = AudioStream(self._sipp.media, self._caller.tone, self._caller.quiet)
        speaking = asyncio.create_task(stream.run(remote))
        try:
            # SIPp's Call-ID begins with the call's number, counted from 1.
            code = self._codes[(int(log.call_id.partition("-")[0]) - 1) % len(self._codes)]
            await stream.say(frame for digit in code for frame in media.events(digit))
            await asyncio.sleep(self._hold)
            self._held.add(log.call_id)
            self._sipp.tell(log.call_id, "HANGUP")
            await asyncio.sleep(GRACE)
        finally:
            speaking.cancel()

    def _reason(self, log: CallLog) -> str:
        match log.status:
            case None:
                return "no answer"
            case 200 if log.ended_by == "caller" and log.call_id in self._held:
                return ""
            case 200:
                return "the far end hung up" if log.ended_by == "far end" else "did not end"
            case status:
                return f"refused with {status}"
