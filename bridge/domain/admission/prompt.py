"""The prompts of the admission dialogue."""

from enum import StrEnum


class Prompt(StrEnum):
    """A message that is played to a caller. `asterisk/ari/prompts` says which sounds it is made of."""

    GREETING = "greeting"
    PASSCODE = "passcode"
    PASSCODE_AGAIN = "passcode_again"
    PIN = "pin"
    WAIT = "wait"
    WRONG = "wrong"
    NOTHING_KEYED = "nothing_keyed"
    REFUSED = "refused"
    ROOM_FULL = "room_full"
    LINES_FULL = "lines_full"
    NOT_IN_SERVICE = "not_in_service"
    NOT_READY = "not_ready"
