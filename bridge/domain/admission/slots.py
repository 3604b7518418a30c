"""Slots to judge entries: none is looked up without one, and each wrong entry uses its slot up.

A slot is taken from several buckets at once: those of the caller, and those that all callers share. While they hold
enough, nobody notices. When one is short, entries wait in turn: first one of each caller's number, then the second of
each, so that many lines under one number gain nothing.

A right entry gives its slot back. So only wrong entries make anybody wait. A caller's own bucket is charged only once
an entry was wrong, and may fall into debt: colleagues behind one number who key at the same time must not wait for each
other. The buckets that all share, and that of a PIN, are charged beforehand, so that no guess exceeds them.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from bridge.domain.admission.bucket import DAY_S, INSTALLATION, SHARED, Bucket, BucketKey, BucketKind, BucketPolicy
from bridge.domain.admission.guessing import FIRST, RESERVE

LENT: Final = frozenset({BucketKind.CALLER, BucketKind.TRUNK})
"""Kinds whose buckets are charged afterwards."""
MOST: Final = 20_000
"""The number of buckets that are kept. Beyond it the fullest are dropped, a tenth of all at a time."""


@dataclass(frozen=True, slots=True)
class CallSource:
    """The origin of a call and its entries.

    `caller` is the caller's number as `phone.caller` returns it, empty when withheld; `trunk` an address;
    `access_number` the number that was dialled. `known_by` are the ids of the sub-accounts that know the number.
    `trunk_id` is the trunk, None for the unnamed one.
    """

    caller: str
    trunk: str
    access_number: str
    known_by: frozenset[str] = frozenset()
    trunk_id: UUID | None = None

    @property
    def own(self) -> BucketKey:
        """The caller's own key. Callers who withhold their number share one key for each trunk."""
        return BucketKey(BucketKind.CALLER, self.caller) if self.caller else BucketKey(BucketKind.TRUNK, self.trunk)

    @property
    def dialled(self) -> BucketKey:
        """The key of the access number."""
        return BucketKey(BucketKind.ACCESS_NUMBER, self.access_number)


@dataclass(frozen=True, slots=True)
class SlotNeeds:
    """The parts of a slot: one entry of each bucket in `own`, and `chance` of each in `shared`.

    `reserved` is True for known callers, who may use the node's lot to its end.
    """

    own: tuple[BucketKey, ...]
    shared: tuple[BucketKey, ...]
    chance: float
    reserved: bool = False

    @property
    def keys(self) -> tuple[BucketKey, ...]:
        return self.own + self.shared


@dataclass(slots=True)
class WaitingEntry:
    """An entry in the queue. `slot` says that it has its slot, `short` which bucket it waits for."""

    needs: SlotNeeds
    short: BucketKey
    turn: int
    number: int
    slot: bool = False


@dataclass(frozen=True, slots=True)
class ShortBucket:
    """A bucket that entries wait for now, or that is empty.

    `left` is the share of a full bucket that is left, `waits_s` the seconds until it holds a slot (None: not by time
    alone), and `waiting` the number of entries that wait for it.
    """

    key: BucketKey
    left: float
    waits_s: float | None
    waiting: int


@dataclass
class _Queue:
    """The waiting entries by turn. `turn` is the latest one that was served."""

    waiting: dict[int, WaitingEntry] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    turn: int = 0

    def in_turn(self) -> list[WaitingEntry]:
        return sorted(self.waiting.values(), key=lambda one: (one.turn, one.number))


class Slots:
    """All buckets of a node, and the entries that wait for them. Times are arguments, in seconds since 1970.

    `changed` holds what has to be stored: key → bucket, or None for a key that has to be deleted.
    """

    def __init__(self, policies: Mapping[BucketKind, BucketPolicy], most: int = MOST) -> None:
        self._policies = policies
        self._most = most
        self._buckets: dict[BucketKey, Bucket] = {}
        self._queue = _Queue()
        self.changed: dict[BucketKey, Bucket | None] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def restore(self, buckets: Mapping[BucketKey, Bucket]) -> None:
        """Take in what was stored before a restart."""
        self._buckets.update(buckets)

    def resize(self, policies: Mapping[BucketKind, BucketPolicy]) -> None:
        """Take other policies. What all callers share keeps the share that is left of it."""
        for key, bucket in list(self._buckets.items()):
            if key.kind in SHARED:
                ratio = policies[key.kind].burst / self._policies[key.kind].burst
                self._put(key, replace(bucket, level=ratio * bucket.level))
        self._policies = policies

    # --- Slots ----------------------------------------------------------------------------------------------------
    def take(self, needs: SlotNeeds, now: float) -> BucketKey | None:
        """Take a slot and return None, or return the key that is short. Entries that wait already come first."""
        held = self.waited_for
        for key in needs.keys:
            if key in held and not (needs.reserved and key == INSTALLATION):
                return key
        return self._take(needs, now)

    def give_back(self, needs: SlotNeeds, now: float) -> None:
        """Give a slot back whole: the entry was right, or nothing was looked up."""
        for key, amount in self._amounts(needs).items():
            bucket, policy = self._buckets.get(key), self._policies[key.kind]
            if bucket is not None and key.kind not in LENT:
                # Given before time fills the bucket: otherwise whoever holds a slot for long would gain credit by it.
                self._put(key, bucket.given(amount, policy).filled(policy, now))

    def spend(self, needs: SlotNeeds, chance: float, now: float) -> None:
        """Use a slot up for a wrong entry, which had this chance to open something. Without any it cost nothing."""
        if not chance:
            self.give_back(needs, now)
            return
        amounts = self._amounts(needs)
        for key in needs.shared:
            bucket = self._bucket(key, now).given(amounts[key], self._policies[key.kind])
            self._put(key, bucket.taken(chance))
        for key in needs.own:
            if key.kind in LENT:
                self._put(key, self._bucket(key, now).owing(1.0, self._policies[key.kind]))

    def credit(self, key: BucketKey, amount: float, now: float) -> None:
        """Add to a bucket of a caller or a PIN, up to its most. Nothing adds to a shared bucket so."""
        assert key.kind not in SHARED
        self._put(key, self._bucket(key, now).given(amount, self._policies[key.kind]))

    # --- The lot of the node --------------------------------------------------------------------------------------
    def missing(self, now: float) -> float:
        """The expected openings that the node's lot lacks."""
        return max(0.0, self._policies[BucketKind.INSTALLATION].burst - self._bucket(INSTALLATION, now).level)

    def draw(self, amount: float, now: float) -> None:
        """Add to the node's lot what was drawn from all nodes' stock."""
        self._put(INSTALLATION, self._bucket(INSTALLATION, now).taken(-amount))

    # --- The queue ------------------------------------------------------------------------------------------------
    def enter(self, needs: SlotNeeds, short: BucketKey) -> WaitingEntry:
        """Let an entry wait for its slot, since a bucket is short."""
        queue, own = self._queue, needs.own[-1]
        before = (one.turn for one in queue.waiting.values() if one.needs.own[-1] == own)
        entry = WaitingEntry(needs, short, max((queue.turn, *before)) + 1, next(queue.numbers))
        queue.waiting[entry.number] = entry
        return entry

    def leave(self, entry: WaitingEntry) -> None:
        """Take an entry out of the queue, whether or not it has its slot."""
        self._queue.waiting.pop(entry.number, None)

    def serve(self, now: float) -> list[WaitingEntry]:
        """Give slots to waiting entries, in turn, as far as their buckets reach. Return those that got theirs."""
        served: list[WaitingEntry] = []
        held: set[BucketKey] = set()
        lent: Counter[BucketKey] = Counter()
        for entry in self._queue.in_turn():
            if held.intersection(entry.needs.keys):
                # An entry before this one waits for the same bucket.
                continue
            short = self._take(entry.needs, now, lent)
            if short is None:
                entry.slot = True
                lent.update(entry.needs.own)
                self._queue.turn = max(self._queue.turn, entry.turn)
                served.append(entry)
            else:
                entry.short = short
                held.add(short)
        for entry in served:
            self.leave(entry)
        return served

    @property
    def waiting(self) -> int:
        """The number of entries that wait."""
        return len(self._queue.waiting)

    @property
    def waited_for(self) -> frozenset[BucketKey]:
        """The buckets that entries wait for."""
        return frozenset(one.short for one in self._queue.waiting.values())

    # --- For operators --------------------------------------------------------------------------------------------
    def short(self, now: float) -> list[ShortBucket]:
        """The buckets that entries wait for, or that hold no whole slot, the longest queue first."""
        waiting: dict[BucketKey, list[SlotNeeds]] = {}
        for entry in self._queue.waiting.values():
            waiting.setdefault(entry.short, []).append(entry.needs)
        every = (self._short(key, waiting.get(key, []), now) for key in {*self._buckets, *waiting})
        return sorted(filter(None, every), key=lambda one: (-one.waiting, one.left, one.key.kind, one.key.value))

    def lift(self, key: BucketKey) -> None:
        """Fill a bucket of a caller, a trunk, a PIN or an access number, as if nothing had been wrong."""
        if key != INSTALLATION and self._buckets.pop(key, None) is not None:
            self.changed[key] = None

    def left(self, key: BucketKey, now: float) -> float:
        """The share of a full bucket that is left; more than 1 with credit, less than 0 in debt."""
        return self._bucket(key, now).level / self._policies[key.kind].burst

    def fade(self, now: float) -> None:
        """Forget buckets that are full again; those with credit a day after they were last used."""
        for key in list(self._buckets):
            level, burst, at = self._bucket(key, now).level, self._policies[key.kind].burst, self._buckets[key].at
            if level == burst or (level > burst and now - at > DAY_S):
                self.lift(key)

    # --- One bucket -----------------------------------------------------------------------------------------------
    def _bucket(self, key: BucketKey, now: float) -> Bucket:
        bucket, policy = self._buckets.get(key), self._policies[key.kind]
        if bucket is not None:
            if now < bucket.at:
                # The clock was set back. Time goes on from here, or an empty bucket would stay so until the old time.
                self._buckets[key] = self.changed[key] = bucket.filled(policy, now)
            return bucket.filled(policy, now)
        # The node's lot is what was drawn: it never begins full.
        return Bucket(FIRST * policy.burst, now) if key == INSTALLATION else Bucket.full(policy, now)

    def _put(self, key: BucketKey, bucket: Bucket) -> None:
        self._buckets[key] = self.changed[key] = bucket
        if len(self._buckets) > self._most:
            self._evict(bucket.at)

    def _take(self, needs: SlotNeeds, now: float, lent: Counter[BucketKey] | None = None) -> BucketKey | None:
        """Take a slot, or return what is short. `lent` counts the slots that were lent of each bucket just now."""
        amounts = self._amounts(needs)
        for key, amount in amounts.items():
            before = lent[key] if lent and key.kind in LENT else 0
            if self._bucket(key, now).level < amount + self._kept(needs, key) + before:
                return key
        for key, amount in amounts.items():
            if key.kind not in LENT:
                self._put(key, self._bucket(key, now).taken(amount))
        return None

    def _amounts(self, needs: SlotNeeds) -> dict[BucketKey, float]:
        """The amount that a slot takes from each bucket. A full shared one is always enough: a rest becomes debt."""
        return {key: 1.0 for key in needs.own} | {
            key: min(needs.chance, (1 - 2 * RESERVE) * self._policies[key.kind].burst) for key in needs.shared
        }

    def _kept(self, needs: SlotNeeds, key: BucketKey) -> float:
        """The amount that a slot has to leave in a bucket: of the node's lot, the reserve for known callers."""
        return 0.0 if needs.reserved or key != INSTALLATION else RESERVE * self._policies[key.kind].burst

    def _short(self, key: BucketKey, waiting: list[SlotNeeds], now: float) -> ShortBucket | None:
        needed = max(
            (self._amounts(needs)[key] + self._kept(needs, key) for needs in waiting),
            default=0.0 if key.kind in SHARED else 1.0,
        )
        waits_s = self._bucket(key, now).waits_s(needed, self._policies[key.kind], now)
        if not waiting and not waits_s:
            return None
        return ShortBucket(key, self.left(key, now), waits_s if waits_s < DAY_S else None, len(waiting))

    def _evict(self, now: float) -> None:
        """Drop a tenth of all buckets: the fullest of callers, which say the least."""

        def fullness(key: BucketKey) -> float:
            return -1.0 if key.kind in SHARED else self.left(key, now)

        for key in heapq.nlargest(max(1, self._most // 10), self._buckets, key=fullness):
            self.lift(key)
