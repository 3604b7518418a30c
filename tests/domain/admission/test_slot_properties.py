"""Slots under any sequence of events and any clock: what is spent, what is given back, and who is served."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.bucket import DAY_S, INSTALLATION, Bucket, BucketKey, BucketKind
from bridge.domain.admission.guessing import FIRST, PIN_ODDS, Allowance
from bridge.domain.admission.slots import SlotNeeds, Slots, WaitingEntry

NOW = 1.7e9
ALLOWANCE = Allowance()
ODDS, LOT = ALLOWANCE.odds, ALLOWANCE.lot
POLICIES = ALLOWANCE.policies()
NUMBERS = [BucketKey(BucketKind.ACCESS_NUMBER, str(number)) for number in range(2)]
OWN = [BucketKey(BucketKind.CALLER, str(number)) for number in range(3)] + [BucketKey(BucketKind.TRUNK, "192.0.2.7")]
PINS = [BucketKey(BucketKind.PASSCODE, str(number)) for number in range(2)]
KEYS = [*OWN, *PINS, *NUMBERS, INSTALLATION]
MOST_CHANCE = 0.8 * LOT * 0.6
"""The greatest chance that a slot takes whole, from a lot and from the bucket of an access number."""
ROUNDING = LOT * 1e-6

chances = st.sampled_from([ODDS, PIN_ODDS, 100 * ODDS, MOST_CHANCE])
codes = st.builds(
    lambda own, number, chance: SlotNeeds((own,), (number, INSTALLATION), chance),
    st.sampled_from(OWN),
    st.sampled_from(NUMBERS),
    chances,
)
pins = st.builds(
    lambda pin, own, number: SlotNeeds((pin, own), (number, INSTALLATION), PIN_ODDS),
    st.sampled_from(PINS),
    st.sampled_from(OWN),
    st.sampled_from(NUMBERS),
)
known = st.builds(
    lambda own, chance: SlotNeeds((own,), (INSTALLATION,), chance, reserved=True), st.sampled_from(OWN), chances
)
entries = st.one_of(codes, pins, known)
moves = st.one_of(st.just(0.0), st.floats(0, 60), st.floats(0, 3600), st.floats(-3 * DAY_S, 3 * DAY_S))
deeds = ["take", "take", "take", "right", "wrong", "wrong", "credit", "draw", "serve", "leave", "lift", "fade"]
steps = st.lists(st.tuples(st.sampled_from(deeds), entries, moves, st.floats(0, 1)), max_size=80)


@dataclass
class Node:
    """A node with slots that are held and entries that wait, and a count of all that was spent."""

    slots: Slots = field(default_factory=lambda: Slots(POLICIES))
    now: float = NOW
    forward_s: float = 0.0
    held: list[SlotNeeds] = field(default_factory=list)
    waiting: list[WaitingEntry] = field(default_factory=list)
    drawn: float = 0.0
    spent: dict[BucketKey, float] = field(default_factory=lambda: defaultdict(float))
    lifted: Counter[BucketKey] = field(default_factory=Counter)

    def step(self, deed: str, entry: SlotNeeds, moved: float, part: float) -> None:
        self.now += moved
        self.forward_s += max(0.0, moved)
        getattr(self, deed)(entry, part)
        assert self.slots.waiting == len(self.waiting)

    def take(self, entry: SlotNeeds, _: float) -> None:
        short = self.slots.take(entry, self.now)
        if short is None:
            self.held.append(entry)
        else:
            self.waiting.append(self.slots.enter(entry, short))

    def right(self, _: SlotNeeds, __: float) -> None:
        if self.held:
            self.slots.give_back(self.held.pop(0), self.now)

    def wrong(self, _: SlotNeeds, part: float) -> None:
        if self.held:
            needs = self.held.pop(int(part * (len(self.held) - 1)))
            self.slots.spend(needs, part * needs.chance, self.now)
            for key in needs.shared:
                self.spent[key] += part * needs.chance

    def credit(self, entry: SlotNeeds, part: float) -> None:
        self.slots.credit(entry.own[0], 40 * part, self.now)

    def draw(self, _: SlotNeeds, part: float) -> None:
        drawn = part * self.slots.missing(self.now)
        self.slots.draw(drawn, self.now)
        self.drawn += drawn

    def serve(self, _: SlotNeeds, __: float) -> None:
        for one in self.slots.serve(self.now):
            assert one.slot
            self.waiting = [each for each in self.waiting if each is not one]
            self.held.append(one.needs)

    def leave(self, _: SlotNeeds, part: float) -> None:
        if self.waiting:
            self.slots.leave(self.waiting.pop(int(part * (len(self.waiting) - 1))))

    def lift(self, entry: SlotNeeds, _: float) -> None:
        for key in (entry.own[0], entry.shared[0]):
            self.slots.lift(key)
            self.lifted[key] += 1

    def fade(self, _: SlotNeeds, __: float) -> None:
        self.slots.fade(self.now)

    def bound(self, key: BucketKey) -> float:
        """The most that may have been spent through a shared bucket, less what is held."""
        policy = POLICIES[key.kind]
        if key == INSTALLATION:
            return FIRST * LOT + self.drawn
        return policy.burst * (1 + self.lifted[key]) + policy.per_s * self.forward_s

    def level(self, key: BucketKey) -> float:
        return self.slots.left(key, self.now) * POLICIES[key.kind].burst


@given(steps)
def test_no_more_is_spent_than_was_drawn_and_than_the_policy_of_an_access_number(
    taken: list[tuple[str, SlotNeeds, float, float]],
) -> None:
    node = Node()
    for step in taken:
        node.step(*step)
        for key in (INSTALLATION, *NUMBERS):
            held = sum(needs.chance for needs in node.held if key in needs.shared)
            assert node.spent[key] + held <= node.bound(key) + ROUNDING
            assert node.level(key) >= -ROUNDING
        assert node.level(INSTALLATION) <= node.bound(INSTALLATION) - node.spent[INSTALLATION] + ROUNDING


@given(steps)
def test_every_bucket_stays_between_its_debt_and_its_most_whatever_the_clock_does(
    taken: list[tuple[str, SlotNeeds, float, float]],
) -> None:
    node = Node()
    for step in taken:
        node.step(*step)
        for key in KEYS:
            assert node.level(key) <= POLICIES[key.kind].most + ROUNDING
            assert key not in OWN or node.level(key) >= -POLICIES[key.kind].most
            assert key not in PINS or node.level(key) >= 0
            assert key not in NUMBERS or node.level(key) <= POLICIES[key.kind].burst + ROUNDING


@given(steps, moves)
def test_what_is_stored_is_what_is_known(taken: list[tuple[str, SlotNeeds, float, float]], down_s: float) -> None:
    node = Node()
    for step in taken:
        node.step(*step)
    again = Slots(POLICIES)
    again.restore({key: bucket for key, bucket in node.slots.changed.items() if bucket is not None})
    assert again.changed == {}
    assert len(again) == len(node.slots)
    for entry in node.waiting:
        node.slots.leave(entry)
    later = node.now + down_s
    assert [again.left(key, later) for key in KEYS] == [node.slots.left(key, later) for key in KEYS]
    assert again.short(later) == node.slots.short(later)
    assert again.missing(later) == node.slots.missing(later)


@given(
    st.dictionaries(st.sampled_from(KEYS), st.floats(0.0, 1.4)),
    entries,
    st.floats(0, 2 * DAY_S),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_right_entry_leaves_every_bucket_as_if_it_had_never_been(
    shares: dict[BucketKey, float], entry: SlotNeeds, later_s: float, part: float, moved_back: bool
) -> None:
    stored = {key: Bucket(share * POLICIES[key.kind].burst, NOW) for key, share in shares.items()}
    slots, untouched = Slots(POLICIES), Slots(POLICIES)
    for one in (slots, untouched):
        one.restore(stored)
    before = [untouched.left(key, NOW) for key in KEYS]
    later = NOW - later_s if moved_back else NOW + later_s
    if slots.take(entry, NOW) is not None:
        assert [slots.left(key, NOW) for key in KEYS] == before
        return
    drawn = part * slots.missing(later)
    for one in (slots, untouched):
        one.draw(drawn, later)
    slots.give_back(entry, later)
    after = [untouched.left(key, later) for key in KEYS]
    assert [slots.left(key, later) for key in KEYS] == pytest.approx(after, abs=1e-9)


# --- Turns --------------------------------------------------------------------------------------------------------
def served_wrong(slots: Slots, now: float) -> list[WaitingEntry]:
    """Serve those whose turn it is; all their entries are wrong."""
    served = slots.serve(now)
    for entry in served:
        slots.spend(entry.needs, entry.needs.chance, now)
    return served


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), min_size=1, max_size=40))
def test_whoever_has_many_entries_is_served_no_more_often_than_others(arrivals: list[tuple[int, int]]) -> None:
    callers = [BucketKey(BucketKind.CALLER, str(number)) for number in range(5)]
    plenty = {key: Bucket(30.0, NOW) for key in callers}
    slots, now = Slots(POLICIES), NOW
    slots.restore({**plenty, NUMBERS[0]: Bucket(0.0, NOW), INSTALLATION: Bucket(LOT, NOW)})
    per_entry_s = 1.001 * ODDS / POLICIES[BucketKind.ACCESS_NUMBER].per_s
    order: list[BucketKey] = []
    first: dict[BucketKey, int] = {}
    """The length of `order` when the caller's oldest waiting entry came."""

    def pass_time() -> None:
        nonlocal now
        now += per_entry_s
        for entry in served_wrong(slots, now):
            own = entry.needs.own[0]
            since = Counter(order[first.pop(own) :])
            # Between an entry of a caller and the one before, nobody else had more than two.
            assert all(count <= 2 for key, count in since.items() if key != own)
            order.append(own)
            if any(one.needs.own[0] == own for one in waiting if not one.slot):
                first[own] = len(order)

    waiting: list[WaitingEntry] = []
    for number, pause in arrivals:
        own = callers[number]
        waiting.append(slots.enter(SlotNeeds((own,), (NUMBERS[0], INSTALLATION), ODDS), NUMBERS[0]))
        first.setdefault(own, len(order))
        for _ in range(pause // 6):
            pass_time()
    for _ in range(2 * len(arrivals)):
        pass_time()
    assert all(entry.slot for entry in waiting)


@given(
    st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1)),
    st.lists(st.tuples(st.one_of(codes, pins), st.booleans()), max_size=6),
)
def test_every_waiting_entry_is_served_or_has_left_in_bounded_time(
    shares: dict[BucketKey, float], wanted: Sequence[tuple[SlotNeeds, bool]]
) -> None:
    slots, now, stock = Slots(POLICIES), NOW, Bucket(0.0, NOW)
    slots.restore({key: Bucket(share * POLICIES[key.kind].burst, NOW) for key, share in shares.items()})
    waiting: list[WaitingEntry] = []
    for entry, leaves in wanted:
        short = slots.take(entry, now)
        if short is not None:
            waiting.append(slots.enter(entry, short))
            if leaves:
                slots.leave(waiting.pop())
    # The longest that each can wait for its own bucket, for that of its access number, and for the stock of all nodes.
    number = POLICIES[BucketKind.ACCESS_NUMBER]
    own_s = DAY_S / 20
    rarest_s = [entry.chance / number.per_s + entry.chance / ALLOWANCE.per_s + own_s for entry, _ in wanted]
    bound_s = sum(rarest_s) + LOT / ALLOWANCE.per_s
    pause_s = bound_s / 200
    while now <= NOW + bound_s + pause_s:
        now += pause_s
        stock = stock.filled(ALLOWANCE.stock, now)
        drawn = min(slots.missing(now), stock.level)
        stock = stock.taken(drawn)
        slots.draw(drawn, now)
        served_wrong(slots, now)
    assert [entry.short for entry in waiting if not entry.slot] == []
