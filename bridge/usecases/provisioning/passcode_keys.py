"""The keys of passcodes, as use cases see them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """What passcodes are looked up and sealed under. `seal` and `unseal` are authenticated encryption.

    `older` are look-up keys that codes may still be kept under until all are renewed; `id` names the present one.
    """

    lookup: bytes
    seal: Callable[[str], bytes]
    unseal: Callable[[bytes], str]
    older: tuple[bytes, ...] = ()
    id: str = ""

    @property
    def lookups(self) -> tuple[bytes, ...]:
        """All keys that a live code may be kept under, the present one first."""
        return (self.lookup, *self.older)
