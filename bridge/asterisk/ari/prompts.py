"""Prompts → sounds that Asterisk ships: its core sounds, which there are in several languages."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.admission.prompt import Prompt

LANGUAGE: Final = "en"
"""What channels speak, unless told otherwise; where a language lacks a sound, Asterisk plays it in this one."""
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
"""No prompt is longer: one that does not end by then has failed without a word."""


def media(*prompts: Prompt, greeting: str = "") -> str:
    """The `media` argument of ARI's play: several sounds one after the other, as one playback. `greeting` is a sound
    that greets in place of the usual one."""
    greets = {Prompt.GREETING: (greeting,)} if greeting else {}
    return ",".join(f"sound:{sound}" for prompt in prompts for sound in greets.get(prompt, SOUNDS[prompt]))
