"""Wrong API keys, counted by the address that they came from.

An address may send `burst` wrong keys at once, and one more every `refill_s` seconds. Beyond that each wrong key is
answered with the time to wait. Right keys are not counted, and no count refuses them.

A burst begins with the first wrong key that has to wait. It ends when the address has sent none for so long that all
of its wrong keys are forgotten.
"""

import heapq
import ipaddress
import math
from dataclasses import dataclass
from typing import Final

BURST: Final = 20
REFILL_S: Final = 6.0
MOST: Final = 10_000
"""The number of sources that are kept. Beyond it a tenth of all is dropped: those with the fewest wrong keys."""
IPV6_PREFIX: Final = 64
"""One customer of an IPv6 provider has at least so large a network, and can send from any address of it."""


@dataclass(frozen=True, slots=True)
class WrongKey:
    """The answer to one wrong key.

    `wait_s` is the whole seconds until the next wrong key from there is answered like any other, 0 if this one is.
    `begins` is True for the first key of a burst that has to wait.
    """

    wait_s: int = 0
    begins: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    """The wrong keys of one source as of `at` that are not forgotten yet, and True if they are a burst."""

    keys: float
    at: float
    burst: bool = False


class WrongKeys:
    """The wrong keys of all sources. Times are arguments, in seconds of a clock that never goes back."""

    def __init__(self, burst: int = BURST, refill_s: float = REFILL_S, most: int = MOST) -> None:
        self._burst, self._refill_s, self._most = burst, refill_s, most
        self._sent: dict[str, _Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def waits(self, address: str, now: float) -> bool:
        """Return True if one more wrong key from this address has to wait."""
        return self._keys(source(address), now) + 1 > self._burst

    def count(self, address: str, now: float) -> WrongKey:
        """Count one wrong key from this address, and return the answer to it."""
        sender = source(address)
        keys = self._keys(sender, now)
        before = self._sent.get(sender)
        burst = keys > 0 and before is not None and before.burst
        over = keys + 1 - self._burst
        if over <= 0:
            self._sent[sender] = _Sent(keys + 1, now, burst)
            self._forget(now)
            return WrongKey()
        self._sent[sender] = _Sent(keys, now, burst=True)
        return WrongKey(math.ceil(over * self._refill_s), begins=not burst)

    def _keys(self, sender: str, now: float) -> float:
        sent = self._sent.get(sender)
        return 0.0 if sent is None else max(0.0, sent.keys - (now - sent.at) / self._refill_s)

    def _forget(self, now: float) -> None:
        """Drop a tenth of all sources if there are too many: those with the fewest wrong keys."""
        if len(self._sent) > self._most:
            number = max(1, self._most // 10)
            for sender in heapq.nsmallest(number, self._sent, key=lambda each: self._keys(each, now)):
                del self._sent[sender]


def source(address: str) -> str:
    """Return what an address counts under: an IPv4 address, the /64 of an IPv6 one, or the text if it is neither."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), IPV6_PREFIX), strict=False))
