"""The dialogue with a caller, from the first ring to the room or the refusal.

It reads from top to bottom as a caller lives it: what is refused unanswered, answer, greeting, tries, and in each try
the passcode, perhaps a PIN, the delay, and the room. A hang-up is the exception CallerGone, which comes out of any
await.

A caller can't tell why a code admits nobody. A wrong code, one that is not valid now and a wrong PIN get the same
prompts after the same delay.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.domain.admission import keypad, numbering
from bridge.domain.admission.grant import Barred, DialledNumber, Grant
from bridge.domain.admission.keypad import EntryEnded, EntryOpen, EntryTimeouts
from bridge.domain.admission.numbering import IncomingTrunk
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.seats import Seats
from bridge.domain.admission.throttles import CallSource
from bridge.domain.provisioning.code_lengths import IMPORT_LEAST
from bridge.domain.provisioning.passcode import PIN_DIGITS, PIN_DIGITS_MOST
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import Caller, CallerGone, Directory

Barrier = Callable[[], Awaitable[str | None]]
"""The reason why this node must admit nobody now, or None. Asked after the answer, and again before the room."""
PLEASE_WAIT_FROM_S: Final = 3.0
"""From this delay on, "one moment please" is played."""
UNALLOCATED: Final = 1
BUSY: Final = 17
REJECTED: Final = 21
NO_CIRCUIT: Final = 34
SWITCH_CONGESTED: Final = 42
"""Causes of Q.850 that the caller's network is given with a refusal. Unanswered, 1 is a 404 of SIP, and 34 and 42 are a
503, on which carriers try another way."""


@dataclass(frozen=True, slots=True)
class AdmissionChecks:
    """All that is asked before a caller gets into a room."""

    directory: Directory
    guard: Guard
    seats: Seats
    timeouts: EntryTimeouts
    barrier: Barrier
    dialogues: Callable[[str], int]
    """The number of calls over a trunk, by its id, that are in the dialogue now."""


class _NoEntry(StrEnum):
    """Ends of a try that are no refusal of an entry."""

    NOTHING_KEYED = "nothing_keyed"
    NOT_READY = "not_ready"


_Failure = Refusal | _NoEntry
_FINAL: Final[Mapping[_Failure, tuple[Prompt, int]]] = {
    _NoEntry.NOT_READY: (Prompt.NOT_READY, REJECTED),
    Refusal.BLOCKED: (Prompt.REFUSED, REJECTED),
    Refusal.ROOM_FULL: (Prompt.ROOM_FULL, BUSY),
    Refusal.SUB_ACCOUNT_FULL: (Prompt.LINES_FULL, BUSY),
    Refusal.ACCOUNT_FULL: (Prompt.LINES_FULL, BUSY),
}
"""Failures that end the call at once, whatever tries are left: the prompt, and the cause."""
_TURNED_AWAY: Final[Mapping[Refusal, tuple[Prompt, int]]] = {
    Refusal.NOT_READY: (Prompt.NOT_READY, SWITCH_CONGESTED),
    Refusal.UNKNOWN_NUMBER: (Prompt.NOT_IN_SERVICE, UNALLOCATED),
    Refusal.OTHER_TRUNK: (Prompt.NOT_IN_SERVICE, UNALLOCATED),
    Refusal.TRUNK_FULL: (Prompt.NOT_READY, NO_CIRCUIT),
    Refusal.TOO_MANY_DIALOGUES: (Prompt.NOT_READY, NO_CIRCUIT),
}
"""Refusals of calls that nobody has answered: the cause, and the prompt for a call that the dialplan has answered."""


async def admit_caller(caller: Caller, checks: AdmissionChecks) -> bool:
    """Hold the whole dialogue. Return True if the caller was admitted, False if refused. Raises CallerGone."""
    trunk = checks.directory.trunk(caller.trunk_id)
    access_number = _access_number(caller, checks, trunk)
    dialled = access_number.number if access_number else numbering.digits(caller.number)
    number = trunk.numbering.caller(caller.caller)
    source = checks.guard.source(number, caller.trunk, dialled, trunk.uuid)
    await caller.identify(number, dialled)
    refusal = await _turned_away(caller, checks, trunk, access_number)
    if access_number is None or refusal is not None:
        return await _turn_away(caller, checks, source, refusal or Refusal.UNKNOWN_NUMBER)
    await caller.answer()
    if trunk.media_networks and not trunk.takes_media(await caller.media_address()):
        checks.guard.refused(source, caller.id, Refusal.MEDIA_ELSEWHERE)
        await caller.refuse()
        return False
    await caller.speak(access_number.language, access_number.greeting)
    return await _Dialogue(caller, checks, access_number, source).hold()


# --- Calls that are refused unanswered ----------------------------------------------------------------------------
def _access_number(caller: Caller, checks: AdmissionChecks, trunk: IncomingTrunk) -> DialledNumber | None:
    """The access number that was dialled, in whichever form the trunk writes it."""
    for form in trunk.numbering.dialled(caller.number):
        found = checks.directory.number(form)
        if found is not None:
            return found
    return None


async def _turned_away(
    caller: Caller, checks: AdmissionChecks, trunk: IncomingTrunk, access_number: DialledNumber | None
) -> Refusal | None:
    """The reason to refuse a call before anything is said, None if it may be answered."""
    if await checks.barrier() is not None:
        return Refusal.NOT_READY
    if access_number is None:
        return Refusal.UNKNOWN_NUMBER
    if access_number.trunk_ids and trunk.id not in access_number.trunk_ids:
        return Refusal.OTHER_TRUNK
    if caller.answered:
        return None  # limits hold for new calls, and this one was answered while no daemon was there
    if trunk.max_calls is not None and caller.trunk_calls > trunk.max_calls:
        return Refusal.TRUNK_FULL
    if trunk.max_dialogues is not None and checks.dialogues(trunk.id) > trunk.max_dialogues:
        return Refusal.TOO_MANY_DIALOGUES
    return None


async def _turn_away(caller: Caller, checks: AdmissionChecks, source: CallSource, refusal: Refusal) -> bool:
    """Refuse a call: unanswered, or by a prompt if the dialplan has answered it to play music. Always False."""
    checks.guard.refused(source, caller.id, refusal)
    prompt, cause = _TURNED_AWAY[refusal]
    if caller.answered:
        await caller.answer()
        return await _refuse(caller, prompt)
    await caller.refuse(cause)
    return False


# --- Calls that are answered --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Dialogue:
    """The dialogue with one caller of a known access number."""

    caller: Caller
    checks: AdmissionChecks
    access_number: DialledNumber
    source: CallSource

    async def hold(self) -> bool:
        """Greet the caller and hear the tries. Return True if the caller was admitted, False if refused."""
        if self.checks.guard.blocked(self.source):
            self._record(Refusal.BLOCKED)
            return await _refuse(self.caller, Prompt.REFUSED)
        trusted = self._trusted()
        first_key = await self._greet(trusted is not None)
        if trusted is not None and not first_key:
            failure = await self._enter(trusted)
            return failure is None or await _refuse(self.caller, *_FINAL[failure])
        return await self._hear_tries(first_key)

    def _trusted(self) -> Grant | None:
        """The room that the caller's own number opens without a code. A withheld number opens none."""
        return self.checks.directory.trusted(self.source.caller, self.access_number) if self.source.caller else None

    async def _greet(self, trusted: bool) -> str:
        """Play the greeting. Return the key that a trusted caller pressed during it, to enter another room by its code;
        empty if there was none."""
        if trusted:
            await self.caller.say(Prompt.GREETING)
            return await self.caller.key(0.0) or ""
        if self.caller.greeted:
            await self.caller.say(Prompt.PASSCODE_AGAIN)
        else:
            await self.caller.say(Prompt.GREETING, Prompt.PASSCODE)
        return ""

    async def _hear_tries(self, first_key: str) -> bool:
        """Hear one try after the other. Return True if the caller was admitted, False if refused.

        Tries before a restart of the daemon count too. `first_key` belongs to the first try.
        """
        most = self.checks.timeouts.tries
        for tries in range(self.caller.tries + 1, most + 1):
            failure = await self._try(first_key)
            if failure is None:
                return True
            if failure in _FINAL:
                return await _refuse(self.caller, *_FINAL[failure])
            first_key = ""
            await self.caller.count_try(tries)
            if tries == most or self.checks.guard.blocked(self.source):
                break
            complaint = Prompt.NOTHING_KEYED if failure is _NoEntry.NOTHING_KEYED else Prompt.WRONG
            await self.caller.say(complaint, Prompt.PASSCODE_AGAIN)
        return await _refuse(self.caller, Prompt.REFUSED)

    async def _try(self, first_key: str) -> _Failure | None:
        """One try: the passcode, its PIN if it has one, and the room. None once the caller is on the way into it."""
        digits, outcome = await self._passcode(first_key)
        if isinstance(outcome, Grant) and outcome.pin is not None:
            outcome = await self._pin(outcome)
        if isinstance(outcome, Grant) and digits:
            outcome = self._look_up_again(digits)
        return await self._enter(outcome) if isinstance(outcome, Grant) else outcome

    # --- The steps of a try -------------------------------------------------------------------------------------------
    async def _passcode(self, first_key: str) -> tuple[str, Grant | _Failure]:
        """Hear a passcode and judge it. Return its digits and what it grants, or why it is refused.

        The digits are empty unless the local directory knows the code.
        """
        directory = self.checks.directory
        found: Grant | Barred | None = None

        def is_complete(digits: str) -> bool:
            nonlocal found
            # A barred code does not end the entry: its caller must not learn that these digits are a code.
            found = directory.find(digits, self.access_number) or found
            return isinstance(found, Grant)

        lengths = directory.lengths(self.access_number)
        shortest = min(lengths, default=IMPORT_LEAST)
        digits = await self._hear_digits(shortest, max(lengths, default=0), is_complete, first_key)
        if not digits:
            return "", _NoEntry.NOTHING_KEYED
        if not isinstance(found, Grant):
            # The code may be newer than what this machine knows.
            found, digits = await directory.confirm(digits, self.access_number) or found, ""
        match found:
            case Grant() as grant:
                return digits, await self._judge(None) or grant
            case Barred(grant, bar):
                return "", await self._judge(Refusal(bar.value), grant) or grant
            case None:
                return "", await self._judge(Refusal.WRONG) or Refusal.WRONG

    async def _pin(self, grant: Grant) -> Grant | _Failure:
        """Ask for the PIN of a right passcode and judge it."""
        right = False

        def is_complete(digits: str) -> bool:
            nonlocal right
            right = self.checks.directory.pin_matches(grant, digits)
            return right

        await self.caller.say(Prompt.PIN)
        if not await self._hear_digits(PIN_DIGITS, PIN_DIGITS_MOST, is_complete):
            return _NoEntry.NOTHING_KEYED
        return await self._judge(None if right else Refusal.WRONG_PIN, grant) or grant

    def _look_up_again(self, digits: str) -> Grant | Refusal:
        """Look a right passcode up once more: it may have been revoked while its caller waited or keyed the PIN."""
        found = self.checks.directory.find(digits, self.access_number)
        if isinstance(found, Grant):
            return found
        refusal = Refusal.WRONG if found is None else Refusal(found.bar.value)
        self._record(refusal, None if found is None else found.grant)
        return refusal

    async def _enter(self, grant: Grant) -> _Failure | None:
        """Lead the caller into the room, as far as limits allow. None once the caller is on the way.

        The seat is taken before anything is waited for, so that callers of the same instant can't share the last one.
        """
        caller, checks = self.caller, self.checks
        full = checks.seats.take(caller.id, grant, time.monotonic())
        if full is not None:
            self._record(full, grant)
            return full
        joined = False
        try:
            if await checks.barrier() is not None:
                return _NoEntry.NOT_READY
            if not await checks.directory.take_use(grant, caller.id):
                self._record(Refusal.USED_UP, grant)
                return Refusal.USED_UP
            await caller.join(grant)
            joined = True
        finally:
            if not joined:
                checks.seats.give_back(caller.id)
        checks.guard.admitted(self.source)
        return None

    # --- What the steps share -----------------------------------------------------------------------------------------
    async def _hear_digits(
        self, shortest: int, longest: int, is_complete: Callable[[str], bool], first_key: str = ""
    ) -> str:
        """Hear one entry and return its digits. What is right has `shortest` to `longest` digits.

        It ends where `is_complete` says so, by `#`, by silence, or `entry_s` after its first key.
        """
        caller, timeouts, digits = self.caller, self.checks.timeouts, ""
        try:
            async with asyncio.timeout(None) as overall:
                while True:
                    key = first_key or await caller.key(keypad.silence_allowed(digits, longest, timeouts))
                    first_key = ""
                    if key is None:
                        break
                    if overall.when() is None:
                        overall.reschedule(asyncio.get_running_loop().time() + timeouts.entry_s)
                    match keypad.press(digits, key, shortest):
                        case EntryEnded():
                            break
                        case EntryOpen(digits):
                            if digits and is_complete(digits):
                                break
        except TimeoutError:
            pass
        except CallerGone:
            # A right code would have admitted by now. Uncounted, a guess would cost nothing but a call.
            if keypad.is_guess(digits, shortest):
                self._record(Refusal.ABANDONED)
            raise
        return digits

    async def _judge(self, refusal: Refusal | None, grant: Grant | None = None) -> Refusal | None:
        """Delay an entry, right or wrong, by what failures so far cost. Return why it is refused, None if it is right.

        `grant` is that of a right code which admits nobody. A blocked caller's entry is refused as blocked.
        """
        guard = self.checks.guard
        if guard.blocked(self.source):
            refusal, grant = Refusal.BLOCKED, None
        delay_s = guard.delay_s(self.source)
        if refusal is not None:
            # Recorded before the delay: otherwise many calls at once would wait no longer than one.
            self._record(refusal, grant)
        if delay_s >= PLEASE_WAIT_FROM_S:
            await self.caller.say(Prompt.WAIT)
        if delay_s:
            await asyncio.sleep(delay_s)
        return refusal

    def _record(self, reason: Refusal, grant: Grant | None = None) -> None:
        """Record a refused entry, and count it as a failure if it was a guess."""
        self.checks.guard.refused(self.source, self.caller.id, reason, grant)


async def _refuse(caller: Caller, prompt: Prompt, cause: int = REJECTED) -> bool:
    """Play a prompt to its end and hang up. Always False: the caller was not admitted."""
    await caller.say_whole(prompt)
    await caller.refuse(cause)
    return False
