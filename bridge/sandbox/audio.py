"""What callers send: silence, tones and in-band digits, as G.711 µ-law at 8 kHz (one byte a sample)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 8000
DIGIT_S: Final = 0.1
GAP_S: Final = 0.1
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYPAD: Final = ("123A", "456B", "789C", "*0#D")


def silence(seconds: float) -> bytes:
    """Nothing to hear."""
    return b"\xff" * int(seconds * RATE)


def tone(hertz: float, seconds: float, level: float = 0.25) -> bytes:
    """A sine of `level` (1.0 is full scale). Whole periods, if `hertz` and `seconds` allow, loop without a click."""
    return ulaw(level * np.sin(2 * np.pi * hertz * _times(seconds)))


def digits(keys: str) -> bytes:
    """Dual tones as ITU-T Q.23 has them, 100 ms each with 100 ms between."""
    sound = []
    for key in keys:
        row, column = next((row, line.index(key)) for row, line in enumerate(KEYPAD) if key in line)
        pair = np.sin(2 * np.pi * ROWS[row] * _times(DIGIT_S)) + np.sin(2 * np.pi * COLUMNS[column] * _times(DIGIT_S))
        sound.append(ulaw(0.25 * pair) + silence(GAP_S))
    return b"".join(sound)


def ulaw(samples: NDArray[np.float64]) -> bytes:
    """Samples from -1 to 1, in G.711 µ-law."""
    magnitude = np.minimum(np.abs(samples) * 32768, 32635).astype(np.int64) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    code: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code.tobytes()


def _times(seconds: float) -> NDArray[np.float64]:
    return np.arange(int(seconds * RATE)) / RATE
