"""The dialogue with a caller, from the first ring to the room or the refusal.

Hang-up is an exception out of any await.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from bridge.domain import keypad
from bridge.domain.admission import Entry
from bridge.domain.errors import BridgeError
from bridge.domain.keypad import Ended, Keying, Patience
from bridge.usecases.ports import Directory

Barrier = Callable[[], Awaitable[str | None]]
"""Why this node must not admit anyone now, if so. Asked at the greeting, and once more at the door of the room."""


class CallerGone(BridgeError):
    """The caller hung up."""


class Prompt(StrEnum):
    """What a caller is told."""

    GREETING = "greeting"
    PASSCODE = "passcode"
    PASSCODE_AGAIN = "passcode_again"
    WRONG = "wrong"
    NOTHING_KEYED = "nothing_keyed"
    REFUSED = "refused"
    NOT_IN_SERVICE = "not_in_service"
    NOT_READY = "not_ready"


class Caller(Protocol):
    """A call that was offered to us. Every method raises CallerGone once the caller has hung up."""

    @property
    def number(self) -> str:
        """The access number that was dialled, digits only."""

    @property
    def tries(self) -> int:
        """Wrong entries so far, those before a restart of the daemon included."""

    @property
    def greeted(self) -> bool:
        """Whether an earlier daemon had begun the dialogue."""

    async def answer(self) -> None: ...

    async def say(self, *prompts: Prompt) -> None:
        """Begin to play prompts; keys stop them. Returns at once."""

    async def say_whole(self, *prompts: Prompt) -> None:
        """Play prompts to their end."""

    async def key(self, silence_s: float) -> str | None:
        """The next key, or None after `silence_s` without one, counted from the end of the prompt."""

    async def count_try(self, tries: int) -> None:
        """Remember on the call itself how many entries were wrong."""

    async def join(self, entry: Entry) -> None:
        """Hand the caller to the room. Our part ends."""

    async def refuse(self) -> None:
        """Mark the call as refused and hang up."""


async def admit_caller(caller: Caller, directory: Directory, patience: Patience, barrier: Barrier) -> bool:
    """The whole dialogue. True if the caller was admitted, False if refused. Raises CallerGone."""
    await caller.answer()
    if await barrier() is not None:
        return await _refused(caller, Prompt.NOT_READY)
    if not directory.serves(caller.number):
        return await _refused(caller, Prompt.NOT_IN_SERVICE)
    if caller.greeted:
        await caller.say(Prompt.PASSCODE_AGAIN)
    else:
        await caller.say(Prompt.GREETING, Prompt.PASSCODE)
    for tries in range(caller.tries + 1, patience.tries + 1):
        match await _passcode(caller, directory, patience):
            case Entry() as entry:
                if await barrier() is not None:
                    return await _refused(caller, Prompt.NOT_READY)
                await caller.join(entry)
                return True
            case digits:
                await caller.count_try(tries)
                if tries < patience.tries:
                    await caller.say(Prompt.WRONG if digits else Prompt.NOTHING_KEYED, Prompt.PASSCODE_AGAIN)
    return await _refused(caller, Prompt.REFUSED)


async def _passcode(caller: Caller, directory: Directory, patience: Patience) -> Entry | str:
    """One entry: whom it admits, or the digits that admit nobody (none, when nothing was keyed)."""
    digits = ""
    try:
        async with asyncio.timeout(None) as overall:
            while True:
                key = await caller.key(keypad.silence_allowed(digits, directory.longest(), patience))
                if key is None:
                    break
                if overall.when() is None:
                    overall.reschedule(asyncio.get_running_loop().time() + patience.entry_s)
                match keypad.press(digits, key):
                    case Ended():
                        break
                    case Keying(digits):
                        entry = directory.find(digits) if digits else None
                        if entry is not None:
                            return entry
    except TimeoutError:
        pass
    entry = await directory.confirm(digits) if digits else None
    return entry or digits


async def _refused(caller: Caller, prompt: Prompt) -> bool:
    await caller.say_whole(prompt)
    await caller.refuse()
    return False
