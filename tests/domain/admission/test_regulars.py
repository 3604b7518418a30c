"""Regulars: numbers that were admitted into the rooms of a sub-account on several days."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.bucket import DAY_S
from bridge.domain.admission.regulars import DAYS, REMEMBERED_S, SHARE, Regulars, Visitor, Visits

NOW = 1.7e9
ANNA = Visitor("4930123456", "s-1")


def after(days: int, visitor: Visitor = ANNA, most: int = 1000) -> Regulars:
    regulars = Regulars(most)
    for day in range(days):
        regulars.admitted(visitor, NOW + day * DAY_S)
    return regulars


def test_a_number_is_a_regular_from_its_third_day_on() -> None:
    known = [after(days).known_by(ANNA.number, NOW + 5 * DAY_S) for days in range(5)]
    assert known == [frozenset(), frozenset(), frozenset(), {"s-1"}, {"s-1"}]


def test_admissions_of_one_day_count_once_and_are_noted_once() -> None:
    regulars = Regulars()
    for minute in range(100):
        regulars.admitted(ANNA, NOW + minute * 60)
    assert regulars.changed == {ANNA: Visits(1, NOW)}
    assert regulars.known_by(ANNA.number, NOW + DAY_S) == frozenset()


def test_each_sub_account_knows_its_own_regulars_alone() -> None:
    regulars = after(DAYS)
    regulars.admitted(Visitor(ANNA.number, "s-2"), NOW)
    assert regulars.known_by(ANNA.number, NOW + DAYS * DAY_S) == {"s-1"}
    assert regulars.known_by("4930999999", NOW) == frozenset()


def test_whoever_was_not_admitted_for_long_is_forgotten_and_begins_anew() -> None:
    regulars, last = after(DAYS), NOW + (DAYS - 1) * DAY_S
    assert regulars.known_by(ANNA.number, last + REMEMBERED_S - 1)
    assert not regulars.known_by(ANNA.number, last + REMEMBERED_S)
    regulars.fade(last + REMEMBERED_S - 1)
    assert len(regulars) == 1
    regulars.admitted(ANNA, last + REMEMBERED_S)
    assert regulars.changed[ANNA] == Visits(1, last + REMEMBERED_S)
    regulars.fade(last + 3 * REMEMBERED_S)
    assert len(regulars) == 0
    assert regulars.changed[ANNA] is None


def test_a_number_whose_one_sub_account_has_faded_is_still_known_to_the_other() -> None:
    regulars = after(DAYS)
    late = Visitor(ANNA.number, "s-2")
    for day in range(25, 25 + DAYS):
        regulars.admitted(late, NOW + day * DAY_S)
    regulars.fade(NOW + 33 * DAY_S)
    assert regulars.known_by(ANNA.number, NOW + 33 * DAY_S) == {"s-2"}


def test_a_withheld_number_is_nobodys() -> None:
    assert len(after(DAYS, Visitor("", "s-1"))) == 0


def test_a_clock_that_was_set_back_by_days_forgets_no_regular() -> None:
    assert after(DAYS).known_by(ANNA.number, NOW - 5 * DAY_S) == {"s-1"}


def test_one_sub_account_drives_out_nobody_elses_regulars() -> None:
    regulars = after(DAYS, most=100)
    for number in range(1000):
        regulars.admitted(Visitor(f"1{number}", "s-2"), NOW + DAYS * DAY_S + number)
        assert len(regulars) <= 1 + 100 // SHARE
    assert regulars.known_by(ANNA.number, NOW + DAYS * DAY_S) == {"s-1"}


def test_a_flood_of_admitted_numbers_drives_out_no_regulars() -> None:
    regulars = after(DAYS, most=100)
    for number in range(1000):
        regulars.admitted(Visitor(f"1{number}", f"s-{number}"), NOW + DAYS * DAY_S + number)
    assert len(regulars) <= 100
    assert regulars.known_by(ANNA.number, NOW + DAYS * DAY_S) == {"s-1"}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.floats(-3 * DAY_S, 9 * DAY_S)), max_size=200))
def test_what_is_stored_is_what_is_known_and_is_bounded(admitted: list[tuple[int, int, float]]) -> None:
    regulars, now = Regulars(most=20), NOW
    for number, sub_account, moved in admitted:
        now += moved
        regulars.admitted(Visitor(f"49{number}", f"s-{sub_account}"), now)
        assert len(regulars) <= 20
    stored = {visitor: visits for visitor, visits in regulars.changed.items() if visits is not None}
    again = Regulars(most=20)
    again.restore(stored)
    assert len(again) == len(regulars) == len(stored)
    assert again.changed == {}
    for number in range(41):
        assert again.known_by(f"49{number}", now) == regulars.known_by(f"49{number}", now)
