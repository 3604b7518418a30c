"""The RTP payloads of a caller's telephone: G.711 µ-law at 8 kHz in frames of 20 ms, and digits.

All frames of a call go into one RTP stream on one clock. Digits replace the audio while they last: if audio ran beside
the events, Asterisk would hear a digit many times.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge.domain.errors import Invalid

RATE = 8000
FRAME = 160
FRAME_SECONDS = FRAME / RATE
PCMU, TELEPHONE_EVENT = 0, 96
DIGITS = "0123456789*#ABCD"
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
# 80 ms on and 80 ms off: twice what a receiver must recognize by ITU-T Q.24, and what auto-diallers use.
ON, OFF = 4, 4
DIGIT_SECONDS = (ON + OFF) * FRAME_SECONDS
# RFC 4733 2.5.1.4: the end of a digit is sent three times.
ENDS = 3
SILENCE = b"\xff" * FRAME

Dtmf = Literal["rfc4733", "info", "inband"]
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """The payloads for 20 ms, of one type. Their timestamp is that of `since` frames ago."""

    payloads: tuple[bytes, ...]
    kind: int = PCMU
    since: int = 0
    marker: bool = False


def check_digits(field: str, digits: str) -> None:
    """Check that each character is a key of a telephone. Raises Invalid."""
    for digit in digits:
        if digit not in DIGITS:
            raise Invalid(field, f"{digit!r} is no key of a telephone; use {DIGITS}.")


def events(digit: str) -> Iterator[Frame]:
    """Return one digit as RFC 4733 packets, and the pause after it, in which nothing is sent."""
    code = DIGITS.index(digit)
    for passed in range(ON):
        yield Frame((_event(code, passed + 1, False),), TELEPHONE_EVENT, passed, passed == 0)
    yield Frame((_event(code, ON, True),) * ENDS, TELEPHONE_EVENT, ON)
    yield from (Frame(()) for _ in range(OFF - 1))


def tones(digit: str) -> Iterator[Frame]:
    """Return one digit as the two tones of its row and column, and the silence after it."""
    yield from (Frame((frame,)) for frame in _dual_tone(digit))
    yield from (Frame((SILENCE,)) for _ in range(OFF))


def tone(hertz: int) -> Iterator[Frame]:
    """Return an endless sine wave at a quarter of full scale; silence at 0 Hz."""
    return cycle(_second(hertz))


@lru_cache(maxsize=64)
def _second(hertz: int) -> tuple[Frame, ...]:
    # A frequency in whole hertz has whole periods in a second, so the second repeats without a click.
    if hertz == 0:
        return (Frame((SILENCE,)),)
    return tuple(Frame((frame,)) for frame in _frames(8192 * _sine(hertz, RATE)))


def _sine(hertz: int, samples: int) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)


def _frames(wave: Samples) -> tuple[bytes, ...]:
    encoded = ulaw(wave)
    return tuple(encoded[at : at + FRAME] for at in range(0, len(encoded), FRAME))


@lru_cache(maxsize=16)
def _dual_tone(digit: str) -> tuple[bytes, ...]:
    row = next(row for row in range(4) if digit in KEYPAD[row])
    column = KEYPAD[row].index(digit)
    # Each tone is at -9 dBm0, a usual level of telephones.
    return _frames(8192 * (_sine(LOW[row], ON * FRAME) + _sine(HIGH[column], ON * FRAME)))


def _event(code: int, frames: int, end: bool) -> bytes:
    # Event, end bit and volume (-10 dBm0), duration in samples.
    return struct.pack("!BBH", code, (0x80 if end else 0) | 10, frames * FRAME)


def ulaw(samples: Samples) -> bytes:
    """Encode 16-bit samples as µ-law (ITU-T G.711)."""
    sign = np.where(samples < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(samples).astype(int), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return bytes((~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8))


def linear(encoded: bytes) -> NDArray[np.int16]:
    """Decode µ-law (ITU-T G.711) to 16-bit samples."""
    value = ~np.frombuffer(encoded, dtype=np.uint8)
    magnitude = ((((value & 0x0F).astype(int) << 3) + 132) << ((value & 0x70) >> 4)) - 132
    return np.where(value & 0x80, -magnitude, magnitude).astype(np.int16)
