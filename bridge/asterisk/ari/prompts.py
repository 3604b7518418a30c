"""The sounds of each prompt. They are Asterisk's core sounds, which exist in several languages."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.admission.prompt import Prompt

LANGUAGE: Final = "en"
"""The language of a channel unless another is set. A sound that another language lacks is played in this one."""
SOUNDS: Final[Mapping[Prompt, tuple[str, ...]]] = {
    Prompt.GREETING: ("hello",),
    Prompt.PASSCODE: ("conf-getpin",),
    Prompt.PASSCODE_AGAIN: ("please-try-again", "conf-getpin"),
    Prompt.PIN: ("confbridge-pin",),
    Prompt.WAIT: ("one-moment-please",),
    Prompt.WRONG: ("conf-invalidpin",),
    Prompt.NOTHING_KEYED: ("im-sorry",),
    Prompt.REFUSED: ("confbridge-pin-bad", "goodbye"),
    Prompt.ROOM_FULL: ("conf-full", "goodbye"),
    Prompt.LINES_FULL: ("simul-call-limit-reached", "please-try-call-later"),
    Prompt.NOT_IN_SERVICE: ("ss-noservice",),
    Prompt.NOT_READY: ("im-sorry", "please-try-call-later"),
}

LONGEST_S: Final = 30.0
"""No prompt lasts longer. One whose end has not been reported by then has failed, which ARI does not report."""


def media(*prompts: Prompt, greeting: str = "") -> str:
    """The `media` argument of ARI's play: all sounds of these prompts, one after the other, as one playback.

    `greeting` is a sound that replaces the usual greeting, empty for the usual one.
    """
    greets = {Prompt.GREETING: (greeting,)} if greeting else {}
    return ",".join(f"sound:{sound}" for prompt in prompts for sound in greets.get(prompt, SOUNDS[prompt]))
