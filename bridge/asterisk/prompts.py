"""Prompts → sounds that Asterisk ships (its core sounds, in English so far)."""

from collections.abc import Mapping
from typing import Final

from bridge.usecases.admit_caller import Prompt

SOUNDS: Final[Mapping[Prompt, tuple[str, ...]]] = {
    Prompt.GREETING: ("hello",),
    Prompt.PASSCODE: ("conf-getpin",),
    Prompt.PASSCODE_AGAIN: ("please-try-again", "conf-getpin"),
    Prompt.WRONG: ("conf-invalidpin",),
    Prompt.NOTHING_KEYED: ("im-sorry",),
    Prompt.REFUSED: ("confbridge-pin-bad", "goodbye"),
    Prompt.NOT_IN_SERVICE: ("ss-noservice",),
    Prompt.NOT_READY: ("im-sorry", "please-try-call-later"),
}

LONGEST_S: Final = 30.0
"""No prompt is longer: one that does not end by then has failed without a word."""


def media(*prompts: Prompt) -> str:
    """The `media` argument of ARI's play: several sounds one after the other, as one playback."""
    return ",".join(f"sound:{sound}" for prompt in prompts for sound in SOUNDS[prompt])
