"""One caller: who calls what, what they key, what they send, and how they leave."""

from dataclasses import dataclass
from typing import Literal

from bridge.sandbox.errors import SandboxError

Dtmf = Literal["rfc4733", "info", "inband"]
DIGITS = frozenset("0123456789*#ABCD")
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Keys:
    """Digits keyed `after` seconds after the answer, or after the entry before; each `p` is a pause of a second."""

    digits: str
    after: float = 0.5

    def __post_init__(self) -> None:
        if set(self.digits) - DIGITS - {"p"}:
            raise SandboxError(f"{self.digits!r} can't be keyed: digits are 0-9 * # A-D, and p for a pause.")


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller hangs up so many seconds after the last digit, unless the far end did before."""

    after: float = 1.0


@dataclass(frozen=True, slots=True)
class AwaitHangUp:
    """The caller waits for the far end to hang up, and does it at last after `patience` seconds."""

    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller gives up so many seconds after dialling (CANCEL); if the call was answered by then, at once (BYE)."""

    after: float = 0.001


@dataclass(frozen=True, slots=True)
class Caller:
    """A phone that calls `number`.

    `caller_id`, `caller_name` and `number` go into the SIP messages as they are, so that hostile ones can be tried.
    `tone` is the frequency in hertz that the caller sends, None for silence; without `audio` no RTP is sent at all, but
    for digits. `start` delays the call by so many seconds.
    """

    number: str
    caller_id: str
    keys: tuple[Keys, ...] = ()
    ending: HangUp | AwaitHangUp | Cancel = HangUp()
    dtmf: Dtmf = "rfc4733"
    tone: float | None = None
    audio: bool = True
    caller_name: str = ""
    start: float = 0.0
    answer_within: float = 30.0
