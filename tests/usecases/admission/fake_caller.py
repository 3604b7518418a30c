"""A caller of flesh and script. tests/contracts/admission holds it to what a channel of ARI does."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.domain.admission.grant import Grant
from bridge.domain.admission.prompt import Prompt
from bridge.usecases.admission.ports import CallerGone

SILENCE = None
GONE = "gone"


@dataclass
class FakeCaller:
    """Keys its script: digits, SILENCE for a time-out, GONE to hang up. `story` tells what it heard and did.

    `on_wait` is called with the seconds of a short wait after the script's end, which then passes without a key.
    """

    script: deque[str | None]
    id: str = "c-1"
    caller: str = "+4930123456"
    trunk: str = "192.0.2.7"
    trunk_id: str = ""
    trunk_calls: int = 0
    answered: bool = False
    media: str = "192.0.2.7"
    numbers: tuple[str, str] | None = None
    """Caller and access number, as they were put on the call."""
    number: str = "18005550100"
    tries: int = 0
    greeted: bool = False
    story: list[object] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)
    cause: int | None = None
    on_wait: Callable[[float], None] | None = None

    async def identify(self, caller: str, access_number: str) -> None:
        self.numbers = caller, access_number

    async def media_address(self) -> str:
        return self.media

    async def answer(self) -> None:
        self.story.append("answered")

    async def speak(self, language: str, greeting: str) -> None:
        if (language, greeting) != ("en", ""):
            self.story.append((language, greeting))

    async def say(self, *prompts: Prompt) -> None:
        self.story.extend(prompts)

    async def say_whole(self, *prompts: Prompt) -> None:
        self.story.extend(prompts)

    async def key(self, silence_s: float) -> str | None:
        self.silences.append(silence_s)
        if not self.script and self.on_wait is not None and silence_s < 1.0:
            self.on_wait(silence_s)
            await asyncio.sleep(0)
            return None
        if not self.script:
            await asyncio.sleep(3600)
        key = self.script.popleft()
        if key == GONE:
            raise CallerGone
        return key

    async def count_try(self, tries: int) -> None:
        self.story.append(tries)

    async def join(self, grant: Grant) -> None:
        self.story.append(grant)

    async def refuse(self, cause: int = 21) -> None:
        self.cause = cause
        self.story.append("refused")


def keying(*keys: str | None, **about: object) -> FakeCaller:
    """A caller who does this: each text is keys, SILENCE or GONE."""
    script: list[str | None] = []
    for key in keys:
        script.extend([key] if key in (SILENCE, GONE) else key)
    return FakeCaller(deque(script), **about)  # type: ignore[arg-type]
