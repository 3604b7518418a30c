"""A caller of the simulation: it keys scripted entries, one after each prompt that asks for one."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.admission.grant import Grant
from bridge.domain.admission.prompt import Prompt
from bridge.usecases.admission.admission_checks import AdmissionChecks
from bridge.usecases.admission.admit_caller import admit_caller
from bridge.usecases.admission.ports import CallerGone
from tests.attack.codes import NUMBER

HANG_UP: Final = "hang up"
_ASKS: Final = frozenset({Prompt.PASSCODE, Prompt.PASSCODE_AGAIN, Prompt.PIN})
_ids: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Entry:
    """Keys after one prompt: the first after `after_s`, then one each `pace_s`; `hang_up_s` after the last, if at all.

    An attacker's keys come in two parts, the first key and all others when the last one is due: that is enough to
    hold a slot for as long.
    """

    keys: str
    after_s: float = 0.25
    pace_s: float = 0.05
    hang_up_s: float | None = None
    in_two_parts: bool = True

    def timed(self) -> Iterator[tuple[float, str]]:
        """Pairs of a pause and the key after it."""
        rest = (len(self.keys) - 1) * self.pace_s
        for place, key in enumerate(self.keys):
            if place == 0:
                yield self.after_s, key
            elif self.in_two_parts:
                yield rest if place == 1 else 0.0, key
            else:
                yield self.pace_s, key
        if self.hang_up_s is not None:
            yield self.hang_up_s, HANG_UP


@dataclass
class Line:
    """Implements admission_ports.Caller. Who has no entry left hangs up at the prompt.

    With `impatient_s`, the caller hangs up so long after being asked to wait.
    """

    entries: deque[Entry]
    caller: str
    number: str = NUMBER
    trunk: str = "192.0.2.7"
    impatient_s: float | None = None
    id: str = field(default_factory=lambda: f"c-{next(_ids)}")
    trunk_id: str = ""
    trunk_calls: int = 0
    answered: bool = False
    tries: int = 0
    greeted: bool = False
    keyed_at: float = 0.0
    """The time of the last digit."""
    joined_at: float | None = None
    heard: list[tuple[float, Prompt]] = field(default_factory=list)
    """Prompts with their times."""
    _keys: deque[tuple[float, str]] = field(default_factory=deque)

    async def call(self, checks: AdmissionChecks) -> bool:
        """Hold the dialogue. Return True if the caller was admitted."""
        try:
            return await admit_caller(self, checks)
        except CallerGone:
            return False

    @property
    def waits(self) -> bool:
        """True if the caller is asked to wait after the last entry."""
        return not self.entries and bool(self.heard) and self.heard[-1][1] is Prompt.WAIT

    @property
    def waited_s(self) -> float:
        """Seconds from the last digit to the room, or until now for who is not in it."""
        return (_now() if self.joined_at is None else self.joined_at) - self.keyed_at

    # --- Caller ---------------------------------------------------------------------------------------------------
    async def identify(self, caller: str, access_number: str) -> None: ...

    async def answer(self) -> None: ...

    async def media_address(self) -> str:
        return self.trunk

    async def speak(self, language: str, greeting: str) -> None: ...

    async def say(self, *prompts: Prompt) -> None:
        now = _now()
        self.heard.extend((now, each) for each in prompts)
        if prompts[-1] in _ASKS:
            self._keys = deque(self.entries.popleft().timed() if self.entries else [(0.0, HANG_UP)])
        elif prompts[-1] is Prompt.WAIT and self.impatient_s is not None:
            self._keys = deque([(self.impatient_s, HANG_UP)])

    async def say_whole(self, *prompts: Prompt) -> None:
        now = _now()
        self.heard.extend((now, each) for each in prompts)

    async def key(self, silence_s: float) -> str | None:
        if not self._keys:
            await asyncio.sleep(silence_s)
            return None
        pause, key = self._keys.popleft()
        if pause > silence_s:
            self._keys.appendleft((pause - silence_s, key))
            await asyncio.sleep(silence_s)
            return None
        if pause:
            await asyncio.sleep(pause)
        if key == HANG_UP:
            raise CallerGone
        self.keyed_at = _now()
        return key

    async def count_try(self, tries: int) -> None:
        self.tries = tries

    async def join(self, grant: Grant) -> None:
        self.joined_at = _now()

    async def refuse(self, cause: int = 21) -> None: ...


def _now() -> float:
    return asyncio.get_running_loop().time()
