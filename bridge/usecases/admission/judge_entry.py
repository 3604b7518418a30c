"""The judge of one entry: it takes the slot, or lets the entry wait for one, and settles what the entry cost.

An entry has one of three ways. While slots are there, each digit is looked up at once. When they are short, the
entry of a known caller is looked up too, but lets the caller only into rooms of the sub-accounts that know the number.
Any other entry is heard to its end, and waits.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from bridge.domain.admission.bucket import BucketKey, BucketKind
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.slots import CallSource, SlotNeeds, Slots, WaitingEntry


class Way(Enum):
    """The way in which an entry is judged."""

    UNASKED = auto()
    AT_ONCE = auto()
    AS_KNOWN = auto()
    IN_TURN = auto()


class Judging(Protocol):
    """The part of the guard that a judge needs."""

    slots: Slots

    @property
    def now(self) -> float:
        """Seconds since 1970."""

    def serve(self) -> None:
        """Give slots to the entries whose turn it is."""

    def counted(self, source: CallSource, *, wrong: bool) -> None:
        """Count an entry that was judged, for the alarm."""


class EntryJudge:
    """One entry, from its first digit to its judgement.

    It must be ended by `right`, `wrong` or `gone`, each of which settles its slot.
    """

    def __init__(
        self,
        guard: Judging,
        source: CallSource,
        needs: SlotNeeds,
        known: SlotNeeds | None,
        chance: Callable[[int, bool], float],
    ) -> None:
        """`known` is the slot of a known caller, None if nobody knows the caller. `chance` returns the chance that a
        guess of so many digits opens something; with True, where only the whole of it was looked up."""
        self._guard, self._source = guard, source
        self._needs, self._known, self._chance = needs, known, chance
        self._way = Way.UNASKED
        self._looked = False
        self._held: SlotNeeds | None = None
        self._short: BucketKey | None = None
        self._waiting: WaitingEntry | None = None

    # --- While it is keyed ----------------------------------------------------------------------------------------
    def may_look(self, keyed: int) -> bool:
        """Return True if so many digits may be looked up. The first time that they could be a code takes the slot."""
        if self._way is Way.UNASKED:
            if not self._chance(keyed, False):
                return False
            self._ask()
        return self._way is not Way.IN_TURN

    def acts_on(self, grant: Grant) -> bool:
        """Return True if a right entry lets its caller in now, without waiting."""
        return self._way is Way.AT_ONCE or (self._way is Way.AS_KNOWN and grant.sub_account_id in self._source.known_by)

    def is_guess(self, keyed: int) -> bool:
        """Return True if an entry of so many digits has been looked up as something that exists, so that it counts."""
        return self._held is not None and self._chance(keyed, False) > 0

    def _ask(self) -> None:
        slots, now = self._guard.slots, self._guard.now
        self._short = slots.take(self._needs, now)
        if self._short is None:
            self._way, self._held, self._looked = Way.AT_ONCE, self._needs, True
        elif self._known is not None and slots.take(self._known, now) is None:
            self._way, self._held, self._looked = Way.AS_KNOWN, self._known, True
        else:
            self._way = Way.IN_TURN

    # --- When it has ended ----------------------------------------------------------------------------------------
    @property
    def must_wait(self) -> bool:
        """True if the entry, which has ended, has to wait for a slot before it is judged."""
        if self._way is Way.UNASKED:
            self._ask()
        return self._way in (Way.AS_KNOWN, Way.IN_TURN)

    @property
    def whole(self) -> bool:
        """True if the entry was looked up as a whole alone, and not while it was keyed."""
        return not self._looked

    @property
    def waited_for(self) -> BucketKind | None:
        """The kind of bucket that was short, None if none was."""
        return self._short.kind if self._short else None

    def has_slot(self) -> bool:
        """Return True once a waiting entry has its slot. The first call puts it into the queue."""
        guard = self._guard
        if self._waiting is None:
            assert self._short is not None
            self._waiting = guard.slots.enter(self._needs, self._short)
        guard.serve()
        if self._waiting.slot and self._held is not self._needs:
            self._settle_held(0.0)
            self._held, self._way = self._needs, Way.IN_TURN
        return self._waiting.slot

    def right(self) -> None:
        """The entry was right: its slot is given back."""
        self._end(0.0)
        self._guard.counted(self._source, wrong=False)

    def wrong(self, keyed: int, *, again: bool = False) -> float:
        """The entry of so many digits was wrong. `again`: so it was within the last day, and costs nothing more.

        Returns the chance that it had, which it has cost.
        """
        chance = 0.0 if again else self._chance(keyed, self.whole)
        self._end(chance)
        self._guard.counted(self._source, wrong=not again)
        return chance

    def gone(self, keyed: int) -> float:
        """The caller hung up, or nothing was keyed. What was looked up is paid for.

        Returns the chance that it had as a guess, 0 if it was none.
        """
        guess = self.is_guess(keyed) and (self._waiting is None or self._way is Way.AS_KNOWN)
        chance = self._chance(keyed, False) if guess else 0.0
        self._end(chance)
        if guess:
            self._guard.counted(self._source, wrong=True)
        return chance

    def _end(self, chance: float) -> None:
        if self._waiting is not None:
            if self._waiting.slot and self._held is not self._needs:
                # It was served, and the caller never came to know.
                self._guard.slots.give_back(self._needs, self._guard.now)
            self._guard.slots.leave(self._waiting)
        self._settle_held(chance)

    def _settle_held(self, chance: float) -> None:
        if self._held is not None:
            self._guard.slots.spend(self._held, chance, self._guard.now)
            self._held = None
