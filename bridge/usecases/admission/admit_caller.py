"""The dialogue with a caller, from the first ring to the room or the refusal.

Hang-up is an exception out of any await. To the caller every code that admits nobody is the same: a wrong one, one that
is not valid now, a wrong PIN; in what is said, and in how long it takes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.domain.admission import keypad
from bridge.domain.admission.grant import Barred, DialledNumber, Grant
from bridge.domain.admission.keypad import EntryEnded, EntryOpen, EntryTimeouts
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.seats import Seats
from bridge.domain.admission.throttles import CallSource
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import Caller, CallerGone, Directory

Barrier = Callable[[], Awaitable[str | None]]
"""Why this node must not admit anyone now, if so. Asked at the greeting, and once more at the door of the room."""
PIN_LONGEST: Final = 10
TELLING_S: Final = 3.0
"""Who waits so long for an answer is asked to."""


@dataclass(frozen=True, slots=True)
class AdmissionChecks:
    """What stands between callers and rooms."""

    directory: Directory
    guard: Guard
    seats: Seats
    patience: EntryTimeouts
    barrier: Barrier


class _NotNow(StrEnum):
    """What ends a try beside a refusal of its entry."""

    NOTHING_KEYED = "nothing_keyed"
    NOT_READY = "not_ready"


_Failure = Refusal | _NotNow
_FINAL: Final[Mapping[_Failure, tuple[Prompt, int]]] = {
    _NotNow.NOT_READY: (Prompt.NOT_READY, 21),
    Refusal.BLOCKED: (Prompt.REFUSED, 21),
    Refusal.ROOM_FULL: (Prompt.ROOM_FULL, 17),
    Refusal.SUB_ACCOUNT_FULL: (Prompt.LINES_FULL, 17),
    Refusal.ACCOUNT_FULL: (Prompt.LINES_FULL, 17),
}
"""What allows no further try: what is said, and the cause (21: rejected, 17: busy)."""


async def admit_caller(caller: Caller, door: AdmissionChecks) -> bool:
    """The whole dialogue. True if the caller was admitted, False if refused. Raises CallerGone."""
    await caller.answer()
    if await door.barrier() is not None:
        return await _refused(caller, Prompt.NOT_READY)
    number = door.directory.number(caller.number)
    if number is None:
        return await _refused(caller, Prompt.NOT_IN_SERVICE)
    await caller.speak(number.language, number.greeting)
    source = door.guard.source(caller.caller, caller.trunk, number.number)
    return await _Dialogue(caller, door, number, source).hold()


@dataclass(frozen=True, slots=True)
class _Dialogue:
    caller: Caller
    door: AdmissionChecks
    number: DialledNumber
    source: CallSource

    async def hold(self) -> bool:
        """From the greeting on. True if the caller was admitted, False if refused."""
        caller, guard, most = self.caller, self.door.guard, self.door.patience.tries
        if guard.blocked(self.source):
            self._note(Refusal.BLOCKED)
            return await _refused(caller, Prompt.REFUSED)
        first = ""
        host = self.door.directory.trusted(self.source.caller, self.number) if self.source.caller else None
        if host is not None:
            await caller.say(Prompt.GREETING)
            # Whoever keys into the greeting means another room.
            first = await caller.key(0.0) or ""
            if not first:
                failure = await self._enter(host)
                return failure is None or await _refused(caller, *_FINAL[failure])
        elif caller.greeted:
            await caller.say(Prompt.PASSCODE_AGAIN)
        else:
            await caller.say(Prompt.GREETING, Prompt.PASSCODE)
        for tries in range(caller.tries + 1, most + 1):
            failure = await self._try(first)
            if failure is None:
                return True
            if failure in _FINAL:
                return await _refused(caller, *_FINAL[failure])
            first = ""
            await caller.count_try(tries)
            if tries == most or guard.blocked(self.source):
                break
            said = Prompt.NOTHING_KEYED if failure is _NotNow.NOTHING_KEYED else Prompt.WRONG
            await caller.say(said, Prompt.PASSCODE_AGAIN)
        return await _refused(caller, Prompt.REFUSED)

    async def _try(self, first: str) -> _Failure | None:
        """One try, with `first` as the first key if there is one. None once the caller is on the way into the room."""
        digits, found = await self._passcode(first)
        if isinstance(found, Grant) and found.pin is not None:
            found = await self._pin(found)
        if isinstance(found, Grant) and digits:
            found = self._still(digits)
        return await self._enter(found) if isinstance(found, Grant) else found

    def _still(self, digits: str) -> Grant | Refusal:
        """What a code lets in that was right before its caller waited, or keyed the PIN."""
        found = self.door.directory.find(digits, self.number)
        if isinstance(found, Grant):
            return found
        refusal = Refusal.WRONG if found is None else Refusal(found.bar.value)
        self._note(refusal, None if found is None else found.entry)
        return refusal

    async def _passcode(self, first: str) -> tuple[str, Grant | _Failure]:
        """The digits as far as the directory knows them, and whom they let in."""
        directory, number = self.door.directory, self.number
        found: Grant | Barred | None = None

        def complete(digits: str) -> bool:
            nonlocal found
            found = directory.find(digits, number) or found
            return isinstance(found, Grant)

        digits = await self._keyed(directory.longest(number), complete, first)
        if not digits:
            return "", _NotNow.NOTHING_KEYED
        if not isinstance(found, Grant):
            found, digits = await directory.confirm(digits, number) or found, ""
        match found:
            case Grant() as entry:
                return digits, await self._judged(None) or entry
            case Barred(entry, bar):
                return "", await self._judged(Refusal(bar.value), entry) or entry
            case None:
                return "", await self._judged(Refusal.WRONG) or Refusal.WRONG

    async def _pin(self, entry: Grant) -> Grant | _Failure:
        """The second of two steps."""
        right = False

        def complete(digits: str) -> bool:
            nonlocal right
            right = self.door.directory.pin_matches(entry, digits)
            return right

        await self.caller.say(Prompt.PIN)
        digits = await self._keyed(PIN_LONGEST, complete)
        if not digits:
            return _NotNow.NOTHING_KEYED
        return await self._judged(None if right else Refusal.WRONG_PIN, entry) or entry

    async def _keyed(self, longest: int, complete: Callable[[str], bool], first: str = "") -> str:
        """One entry: digits up to where `complete` says that they are whole, or the caller, or silence, ends them."""
        caller, patience, digits = self.caller, self.door.patience, ""
        try:
            async with asyncio.timeout(None) as overall:
                while True:
                    key = first or await caller.key(keypad.silence_allowed(digits, longest, patience))
                    first = ""
                    if key is None:
                        break
                    if overall.when() is None:
                        overall.reschedule(asyncio.get_running_loop().time() + patience.entry_s)
                    match keypad.press(digits, key):
                        case EntryEnded():
                            break
                        case EntryOpen(digits):
                            if digits and complete(digits):
                                break
        except TimeoutError:
            pass
        except CallerGone:
            # Or guessing would cost nothing but a call: a right code would have let in by now.
            if len(digits) >= keypad.WHOLE:
                self._note(Refusal.ABANDONED)
            raise
        return digits

    async def _judged(self, refusal: Refusal | None, entry: Grant | None = None) -> Refusal | None:
        """Why an entry is refused after all, if so. It waits as long as failures so far make wait, right or wrong."""
        guard = self.door.guard
        if guard.blocked(self.source):
            refusal, entry = Refusal.BLOCKED, None
        delay_s = guard.delay_s(self.source)
        if refusal is not None:
            # Counted before the wait: many calls at once would wait no longer than one.
            self._note(refusal, entry)
        if delay_s >= TELLING_S:
            await self.caller.say(Prompt.WAIT)
        if delay_s:
            await asyncio.sleep(delay_s)
        return refusal

    async def _enter(self, entry: Grant) -> _Failure | None:
        """Into the room, as far as limits allow: a seat is taken before anything is waited for."""
        caller, door = self.caller, self.door
        full = door.seats.take(caller.id, entry, time.monotonic())
        if full is not None:
            self._note(full, entry)
            return full
        joined = False
        try:
            if await door.barrier() is not None:
                return _NotNow.NOT_READY
            if not await door.directory.take_use(entry, caller.id):
                self._note(Refusal.USED_UP, entry)
                return Refusal.USED_UP
            await caller.join(entry)
            joined = True
        finally:
            if not joined:
                door.seats.give_back(caller.id)
        door.guard.admitted(self.source)
        return None

    def _note(self, reason: Refusal, entry: Grant | None = None) -> None:
        self.door.guard.refused(self.source, self.caller.id, reason, entry)


async def _refused(caller: Caller, prompt: Prompt, cause: int = 21) -> bool:
    await caller.say_whole(prompt)
    await caller.refuse(cause)
    return False
