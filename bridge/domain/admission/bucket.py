"""Buckets: what may still be spent under one key, such as a caller's number, and how it fills again.

A bucket of callers counts wrong entries. A shared bucket counts expected openings: the sum of the chances that each
wrong entry had to open something. Times are in seconds since 1970.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

_KEYS: Final = UUID("0c2f7a4e-5a55-5d0c-8a0e-6f5b7c1d9e42")
DAY_S: Final = 86_400.0


class BucketKind(StrEnum):
    """A kind of thing that wrong entries are counted by."""

    CALLER = "caller"
    """The caller's number."""
    TRUNK = "trunk"
    """Callers of one trunk who withhold their number."""
    PASSCODE = "passcode"
    """The PIN of one passcode."""
    ACCESS_NUMBER = "access_number"
    KNOWN = "known"
    """The callers whom a sub-account knows, whose entries are looked up while others wait."""
    INSTALLATION = "installation"


SHARED: Final = frozenset({BucketKind.ACCESS_NUMBER, BucketKind.KNOWN, BucketKind.INSTALLATION})
"""Kinds whose buckets hold expected openings. The others hold wrong entries."""


@dataclass(frozen=True, slots=True)
class BucketKey:
    """The thing that a bucket belongs to.

    `value` is a caller's number, a trunk's address, a passcode's id (with KNOWN_ENDING for known callers), an access
    number or a sub-account's id; it is empty for the whole installation.
    """

    kind: BucketKind
    value: str = ""

    @property
    def id(self) -> UUID:
        """The id of this key in REST."""
        return uuid5(_KEYS, f"{self.kind}|{self.value}")


KNOWN_ENDING: Final = "/known"
INSTALLATION: Final = BucketKey(BucketKind.INSTALLATION)


@dataclass(frozen=True, slots=True)
class BucketPolicy:
    """The size of a bucket: it fills by `per_s` up to `burst`. Credit may fill it further, up to `most`."""

    burst: float
    per_s: float
    most: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """The level of one bucket as of `at`. A level below 0 is a debt, which has to be filled first."""

    level: float
    at: float

    @classmethod
    def full(cls, policy: BucketPolicy, now: float) -> "Bucket":
        """A bucket that nothing was taken from."""
        return cls(policy.burst, now)

    def filled(self, policy: BucketPolicy, now: float) -> "Bucket":
        """The bucket at `now`. A clock that was set back fills nothing, and time goes on from there."""
        if self.level >= policy.burst:
            return Bucket(min(self.level, policy.most), now)
        return Bucket(min(policy.burst, self.level + max(0.0, now - self.at) * policy.per_s), now)

    def taken(self, amount: float) -> "Bucket":
        """The bucket without an amount."""
        return replace(self, level=self.level - amount)

    def owing(self, amount: float, policy: BucketPolicy) -> "Bucket":
        """The bucket without an amount, in debt by at most as much as it may hold with credit."""
        return replace(self, level=max(-policy.most, self.level - amount))

    def given(self, amount: float, policy: BucketPolicy) -> "Bucket":
        """The bucket with an amount more."""
        return replace(self, level=min(policy.most, self.level + amount))

    def waits_s(self, amount: float, policy: BucketPolicy, now: float) -> float:
        """Seconds until the bucket holds an amount, 0 if it does; infinite if it never will."""
        missing = min(amount, policy.burst) - self.filled(policy, now).level
        if missing <= 0:
            return 0.0
        return missing / policy.per_s if policy.per_s else float("inf")
