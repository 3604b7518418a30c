"""Callers in the dialogue by trunk, access number and caller, and the ports that are kept for known callers."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.slots import CallSource

KNOWN = frozenset({"00000000-0000-0000-0000-00000000000b"})


def source(caller: int = 0, trunk: int = 0, number: int = 0, known: bool = False) -> CallSource:
    numbers = f"+4930{caller}", f"192.0.2.{trunk}", f"1800{number}"
    return CallSource(*numbers, known_by=KNOWN if known else frozenset())


def full(calls: int, *sources: CallSource) -> Capacity:
    capacity = Capacity(calls)
    for number, each in enumerate(sources):
        capacity.begin(f"c-{number}", each)
    return capacity


def asked(capacity: Capacity, who: CallSource, inside: int = 0) -> Refusal | None:
    """What one more caller would hear."""
    capacity.begin("new", who)
    try:
        return capacity.refusal(who, inside)
    finally:
        capacity.end("new")


def test_a_flooded_trunk_leaves_room_for_the_others_and_for_known_callers() -> None:
    capacity = full(100, *(source(n, trunk=1, number=n % 7) for n in range(50)))
    assert asked(capacity, source(99, trunk=1, number=9)) is Refusal.TOO_MANY_DIALOGUES
    assert asked(capacity, source(99, trunk=2, number=9)) is None
    assert asked(capacity, source(99, trunk=1, number=9, known=True)) is None


def test_a_flooded_number_leaves_room_for_the_others() -> None:
    capacity = full(100, *(source(n, trunk=n % 7) for n in range(50)))
    assert asked(capacity, source(99, trunk=9)) is Refusal.TOO_MANY_DIALOGUES
    assert asked(capacity, source(99, trunk=9, number=1)) is None


def test_one_callers_number_takes_a_quarter_at_most_known_or_not() -> None:
    capacity = full(100, *(source(1, trunk=n % 7, number=n) for n in range(25)))
    for known in (False, True):
        assert asked(capacity, source(1, trunk=9, number=99, known=known)) is Refusal.TOO_MANY_DIALOGUES
    assert asked(capacity, source(2, trunk=9, number=99)) is None


def test_who_withholds_a_number_is_limited_by_trunk_and_number_alone() -> None:
    nobody = CallSource("", "192.0.2.9", "18009")
    assert asked(full(100, *[CallSource("", "192.0.2.1", "18001")] * 30), nobody) is None


def test_the_last_ports_are_for_known_callers() -> None:
    capacity = Capacity(100)
    assert asked(capacity, source(), inside=89) is None
    assert asked(capacity, source(), inside=90) is Refusal.NODE_FULL
    assert asked(capacity, source(known=True), inside=99) is None
    assert capacity.left(99) == pytest.approx(0.01)


def test_a_named_trunk_is_one_from_whichever_address() -> None:
    one = UUID(int=1)
    sources = [CallSource("", f"192.0.2.{n}", "18001", trunk_id=one) for n in range(3)]
    assert full(100, *sources).of_trunk(sources[0]) == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=40))
def test_counts_are_those_of_the_callers_who_are_there(steps: list[tuple[int, int, bool]]) -> None:
    capacity, there = Capacity(100), dict[str, CallSource]()
    for call, trunk, begins in steps:
        uniqueid, who = f"c-{call}", source(call, trunk)
        if begins:
            capacity.begin(uniqueid, who)
            there[uniqueid] = who
        else:
            capacity.end(uniqueid)
            there.pop(uniqueid, None)
    assert capacity.dialogues == len(there)
    by_trunk = Counter(who.trunk for who in there.values())
    assert all(capacity.of_trunk(source(trunk=trunk)) == by_trunk[f"192.0.2.{trunk}"] for trunk in range(3))
