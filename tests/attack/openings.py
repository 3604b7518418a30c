"""The expected openings of an attack: the sum of the chances of all look-ups that told the attacker something.

It is counted beside the product, not by its own account of what entries cost, so that it finds what is not charged. A
look-up counts if a right code would have let its caller in by it. The same digits count once.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.domain.admission.grant import Grant
from bridge.domain.provisioning.passcode import Role
from bridge.usecases.admission.guard_entry import Guard

attacking: ContextVar[bool] = ContextVar("attacking", default=False)
"""True in the tasks of attackers."""
_STRANGER: Final = Grant("-", "-", "-", "-", Role.GUEST)
"""A grant of a sub-account that knows no caller."""


@dataclass
class Openings:
    """What attackers got: `expected` openings by `judged` wrong entries.

    `from_memory` were answered wrong because they had been wrong before, and `waited` had to wait for a slot.
    """

    expected: float = 0.0
    judged: int = 0
    from_memory: int = 0
    waited: int = 0
    armed: bool = False
    """True if a right code would let the attacker in by the look-up that comes next."""
    _seen: set[str] = field(default_factory=set)

    def has_seen(self, digits: str) -> bool:
        """Return True if these digits, or a beginning of them, were looked up for an attacker."""
        return any(digits.startswith(each) for each in self._seen)

    def looked_up(self, digits: str, chance: float, right: bool) -> None:
        armed, self.armed = self.armed, False
        if armed and chance and not right and digits not in self._seen:
            self._seen.add(digits)
            self.expected += chance


class WatchedJudge:
    """A judge of an attacker's entry, watched."""

    def __init__(self, judge: Any, openings: Openings) -> None:
        self._judge, self._openings = judge, openings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._judge, name)

    def may_look(self, keyed: int) -> bool:
        may = self._judge.may_look(keyed)
        self._openings.armed = may and self._judge.acts_on(_STRANGER)
        return bool(may)

    def has_slot(self) -> bool:
        self._openings.armed = has = self._judge.has_slot()
        return bool(has)

    def wrong(self, keyed: int, *, again: bool = False) -> Any:
        if again:
            self._openings.from_memory += 1
        else:
            self._openings.judged += 1
        self._openings.waited += self._judge.waited_for is not None
        return self._judge.wrong(keyed, again=again)

    def gone(self, keyed: int) -> Any:
        guess = self._judge.gone(keyed)
        self._openings.judged += bool(guess)
        return guess


class WatchedGuard(Guard):
    """The guard of a node, whose judges of attackers' entries are watched."""

    openings: Openings

    def judge_passcode(self, *about: Any) -> Any:
        return self._watched(super().judge_passcode(*about))

    def judge_pin(self, *about: Any) -> Any:
        return self._watched(super().judge_pin(*about))

    def refused(self, *about: Any) -> None:
        """Refused entries are not recorded: there is no disk, and nobody to read the log."""

    def _watched(self, judge: Any) -> Any:
        return WatchedJudge(judge, self.openings) if attacking.get() else judge
