"""The dialogue with a caller, from the first ring to the room or the refusal.

It reads from top to bottom as a caller lives it: what is refused unanswered, answer, greeting, tries, and in each try
the passcode, perhaps a PIN, and the room. A hang-up is the exception CallerGone, which comes out of any
await.

A caller can't tell why a code admits nobody: a wrong code, one that is not valid now and a wrong PIN get the same
prompts. While slots to judge entries are short, an entry is heard to its end and waits for one, right or wrong.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.domain.admission import keypad, numbering
from bridge.domain.admission.bucket import BucketKind
from bridge.domain.admission.grant import Barred, DialledNumber, Grant
from bridge.domain.admission.keypad import EntryEnded, EntryOpen
from bridge.domain.admission.numbering import IncomingTrunk
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.slots import CallSource
from bridge.domain.provisioning.passcode import PIN_DIGITS_MOST
from bridge.usecases.admission import turn_away
from bridge.usecases.admission.admission_checks import AdmissionChecks
from bridge.usecases.admission.judge_entry import EntryJudge
from bridge.usecases.admission.ports import Caller, CallerGone
from bridge.usecases.admission.turn_away import refuse_by_prompt

LOOK_S: Final = 0.5
"""A caller whose entry waits is looked after so often."""
REMIND_S: Final = 20.0
"""So often a waiting caller is told to wait on."""
WAIT_MOST_S: Final = 300.0
"""An entry that has waited for so long is not judged any more."""


class _NoEntry(StrEnum):
    """Ends of a try that are no refusal of an entry."""

    NOTHING_KEYED = "nothing_keyed"
    NOT_READY = "not_ready"


_Failure = Refusal | _NoEntry
_FINAL: Final[Mapping[_Failure, tuple[Prompt, int]]] = {
    _NoEntry.NOT_READY: (Prompt.NOT_READY, turn_away.REJECTED),
    Refusal.NOT_JUDGED: (Prompt.NOT_READY, turn_away.REJECTED),
    Refusal.ROOM_FULL: (Prompt.ROOM_FULL, turn_away.BUSY),
    Refusal.SUB_ACCOUNT_FULL: (Prompt.LINES_FULL, turn_away.BUSY),
    Refusal.ACCOUNT_FULL: (Prompt.LINES_FULL, turn_away.BUSY),
}
"""Failures that end the call at once, whatever tries are left: the prompt, and the cause."""


async def admit_caller(caller: Caller, checks: AdmissionChecks) -> bool:
    """Hold the whole dialogue. Return True if the caller was admitted, False if refused. Raises CallerGone."""
    trunk = checks.directory.trunk(caller.trunk_id)
    access_number = turn_away.access_number(caller, checks.directory, trunk)
    dialled = access_number.number if access_number else numbering.digits(caller.number)
    number = trunk.numbering.caller(caller.caller)
    source = checks.guard.source(number, caller.trunk, dialled, trunk.uuid)
    checks.capacity.begin(caller.id, source)
    try:
        return await _admit(caller, checks, trunk, access_number, source)
    finally:
        checks.capacity.end(caller.id)


async def _admit(
    caller: Caller,
    checks: AdmissionChecks,
    trunk: IncomingTrunk,
    access_number: DialledNumber | None,
    source: CallSource,
) -> bool:
    """Refuse a call unanswered, or answer it and hold the dialogue."""
    await caller.identify(source.caller, source.access_number)
    refusal = await turn_away.reason(caller, checks, trunk, access_number, source)
    if access_number is None or refusal is not None:
        return await turn_away.refuse(caller, checks, source, refusal or Refusal.UNKNOWN_NUMBER)
    await caller.answer()
    if trunk.media_networks and not trunk.takes_media(await caller.media_address()):
        checks.guard.refused(source, caller.id, Refusal.MEDIA_ELSEWHERE)
        await caller.refuse()
        return False
    await caller.speak(access_number.language, access_number.greeting)
    return await _Dialogue(caller, checks, access_number, source).hold()


@dataclass(frozen=True, slots=True)
class _Dialogue:
    """The dialogue with one caller of a known access number."""

    caller: Caller
    checks: AdmissionChecks
    access_number: DialledNumber
    source: CallSource

    async def hold(self) -> bool:
        """Greet the caller and hear the tries. Return True if the caller was admitted, False if refused."""
        trusted = self._trusted()
        first_key = await self._greet(trusted is not None)
        if trusted is not None and not first_key:
            failure = await self._enter(trusted)
            return failure is None or await refuse_by_prompt(self.caller, *_FINAL[failure])
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
                return await refuse_by_prompt(self.caller, *_FINAL[failure])
            first_key = ""
            await self.caller.count_try(tries)
            if tries == most:
                break
            complaint = Prompt.NOTHING_KEYED if failure is _NoEntry.NOTHING_KEYED else Prompt.WRONG
            await self.caller.say(complaint, Prompt.PASSCODE_AGAIN)
        return await refuse_by_prompt(self.caller, Prompt.REFUSED)

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
        directory, guard, number = self.checks.directory, self.checks.guard, self.access_number
        lengths = directory.lengths(number)
        judge = guard.judge_passcode(self.source, lengths)
        found: Grant | Barred | None = None

        def is_complete(digits: str) -> bool:
            nonlocal found
            if not judge.may_look(len(digits)):
                return False
            # A barred code does not end the entry: its caller must not learn that these digits are a code.
            found = directory.find(digits, number) or found
            return isinstance(found, Grant) and judge.acts_on(found)

        keyed = await self._hear_digits(judge, max(lengths, default=0), is_complete, first_key)
        if not keyed:
            return "", _NoEntry.NOTHING_KEYED
        known_wrong = False
        if not (isinstance(found, Grant) and judge.acts_on(found)):
            found = directory.find(keyed, number) or found
            if judge.must_wait:
                known_wrong = guard.was_wrong(self.source, "", keyed, whole=judge.whole) and not isinstance(
                    found, Grant
                )
                if not known_wrong:
                    if not await self._slot(judge, len(keyed)):
                        return "", Refusal.NOT_JUDGED
                    found = directory.find(keyed, number)
        digits = keyed if isinstance(found, Grant) else ""
        if not digits and not known_wrong:
            # The code may be newer than what this machine knows.
            found = await directory.confirm(keyed, number) or found
        match found:
            case Grant() as grant:
                judge.right()
                return digits, grant
            case Barred(grant, bar):
                return "", self._wrong(judge, "", keyed, Refusal(bar.value), grant)
            case None:
                return "", self._wrong(judge, "", keyed, Refusal.WRONG)

    async def _pin(self, grant: Grant) -> Grant | _Failure:
        """Ask for the PIN of a right passcode and judge it."""
        directory, guard = self.checks.directory, self.checks.guard
        judge = guard.judge_pin(self.source, grant)
        right = False

        def is_complete(digits: str) -> bool:
            nonlocal right
            right = judge.may_look(len(digits)) and directory.pin_matches(grant, digits)
            return right

        await self.caller.say(Prompt.PIN)
        keyed = await self._hear_digits(judge, PIN_DIGITS_MOST, is_complete, grant=grant)
        if not keyed:
            return _NoEntry.NOTHING_KEYED
        waits = not right and judge.must_wait and not guard.was_wrong(self.source, grant.passcode_id, keyed, whole=True)
        if waits and not await self._slot(judge, len(keyed), grant):
            return Refusal.NOT_JUDGED
        right = right or directory.pin_matches(grant, keyed)
        if not right:
            return self._wrong(judge, grant.passcode_id, keyed, Refusal.WRONG_PIN, grant)
        judge.right()
        guard.pin_was_right(grant)
        return grant

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
        checks.guard.admitted(self.source, grant)
        return None

    # --- What the steps share -----------------------------------------------------------------------------------------
    async def _hear_digits(
        self,
        judge: EntryJudge,
        longest: int,
        is_complete: Callable[[str], bool],
        first_key: str = "",
        grant: Grant | None = None,
    ) -> str:
        """Hear one entry and return its digits.

        It ends where `is_complete` says so, by `#`, by silence, or `entry_s` after its first key. `grant` is that of
        the passcode whose PIN is keyed.
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
                    match keypad.press(digits, key, judge.is_guess(len(digits))):
                        case EntryEnded():
                            break
                        case EntryOpen(digits):
                            if digits and is_complete(digits):
                                break
        except TimeoutError:
            pass
        except BaseException as error:
            # A right code would have admitted by now. Uncounted, a guess would cost nothing but a call.
            chance = judge.gone(len(digits))
            if chance and isinstance(error, CallerGone):
                if grant is not None:
                    self.checks.guard.pin_was_wrong(grant)
                self._record(Refusal.ABANDONED, grant, judge.waited_for, chance)
            raise
        if not digits:
            judge.gone(0)
        return digits

    async def _slot(self, judge: EntryJudge, keyed: int, grant: Grant | None = None) -> bool:
        """Wait until the entry may be judged, and tell the caller to wait. False if it has waited too long.

        Whoever hangs up meanwhile has learnt nothing, and has paid nothing.
        """
        clock = asyncio.get_running_loop().time
        began, told = clock(), clock() - REMIND_S
        try:
            while not judge.has_slot():
                if clock() - began >= WAIT_MOST_S:
                    judge.gone(keyed)
                    self._record(Refusal.NOT_JUDGED, grant, judge.waited_for)
                    return False
                if clock() - told >= REMIND_S:
                    told = clock()
                    await self.caller.say(Prompt.WAIT)
                await self.caller.key(LOOK_S)
        except BaseException as error:
            # Whatever ends the dialogue, no entry is left in the queue.
            judge.gone(keyed)
            if isinstance(error, CallerGone):
                self._record(Refusal.NOT_JUDGED, grant, judge.waited_for)
            raise
        return True

    def _wrong(self, judge: EntryJudge, about: str, keyed: str, reason: Refusal, grant: Grant | None = None) -> Refusal:
        """Settle and record an entry that admits nobody. `about` is as for `Guard.note_wrong`. Returns the reason."""
        guard = self.checks.guard
        # A PIN is always compared as a whole.
        whole = judge.whole and not about
        chance = judge.wrong(len(keyed), again=guard.was_wrong(self.source, about, keyed, whole=whole))
        guard.note_wrong(self.source, about, keyed, whole=whole)
        if about and grant is not None:
            guard.pin_was_wrong(grant)
        self._record(reason, grant, judge.waited_for, chance)
        return reason

    def _record(
        self,
        reason: Refusal,
        grant: Grant | None = None,
        waited_for: BucketKind | None = None,
        chance: float = 0.0,
    ) -> None:
        """Record a refused entry."""
        self.checks.guard.refused(self.source, self.caller.id, reason, grant, waited_for, chance)
