"""Callers who were let in lately."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.recent_callers import REGULAR_S, Regulars
from bridge.domain.admission.throttle import DAY_S

NOW = 1.7e9


def test_who_was_let_in_is_a_regular_for_thirty_days() -> None:
    regulars = Regulars()
    regulars.admitted("4930123456", NOW)
    assert regulars.has("4930123456", NOW + REGULAR_S - 1)
    assert not regulars.has("4930123456", NOW + REGULAR_S)
    assert not regulars.has("4930999999", NOW)
    regulars.fade(NOW + REGULAR_S)
    assert len(regulars) == 0


def test_once_a_day_is_worth_a_note() -> None:
    regulars = Regulars()
    for hour in range(30):
        regulars.admitted("4930123456", NOW + hour * 3600)
    assert regulars.changed == {"4930123456": NOW + DAY_S}


def test_a_withheld_number_is_nobodys() -> None:
    regulars = Regulars()
    regulars.admitted("", NOW)
    assert not regulars.has("", NOW)


@given(st.lists(st.integers(0, 40)))
def test_the_latest_are_kept_and_stored(callers: list[int]) -> None:
    regulars, stored = Regulars(most=10), {}
    for at, caller in enumerate(callers):
        regulars.admitted(str(caller), NOW + at * DAY_S)
    stored = {number: at for number, at in regulars.changed.items() if at is not None}
    latest = list(dict.fromkeys(map(str, reversed(callers))))[:10]
    assert set(stored) == set(latest)
    again = Regulars(most=10)
    again.restore(stored)
    end = NOW + len(callers) * DAY_S
    assert [again.has(number, end) for number in latest] == [regulars.has(number, end) for number in latest]
