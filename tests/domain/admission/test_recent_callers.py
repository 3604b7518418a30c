"""Recent callers: numbers that were admitted lately."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.recent_callers import RECENT_S, RecentCallers
from bridge.domain.admission.throttle import DAY_S

NOW = 1.7e9


def test_who_was_let_in_is_a_regular_for_thirty_days() -> None:
    recent_callers = RecentCallers()
    recent_callers.admitted("4930123456", NOW)
    assert recent_callers.has("4930123456", NOW + RECENT_S - 1)
    assert not recent_callers.has("4930123456", NOW + RECENT_S)
    assert not recent_callers.has("4930999999", NOW)
    recent_callers.fade(NOW + RECENT_S)
    assert len(recent_callers) == 0


def test_once_a_day_is_worth_a_note() -> None:
    recent_callers = RecentCallers()
    for hour in range(30):
        recent_callers.admitted("4930123456", NOW + hour * 3600)
    assert recent_callers.changed == {"4930123456": NOW + DAY_S}


def test_a_withheld_number_is_nobodys() -> None:
    recent_callers = RecentCallers()
    recent_callers.admitted("", NOW)
    assert not recent_callers.has("", NOW)


@given(st.lists(st.integers(0, 40)))
def test_the_latest_are_kept_and_stored(callers: list[int]) -> None:
    recent_callers, stored = RecentCallers(most=10), {}
    for at, caller in enumerate(callers):
        recent_callers.admitted(str(caller), NOW + at * DAY_S)
    stored = {number: at for number, at in recent_callers.changed.items() if at is not None}
    latest = list(dict.fromkeys(map(str, reversed(callers))))[:10]
    assert set(stored) == set(latest)
    again = RecentCallers(most=10)
    again.restore(stored)
    end = NOW + len(callers) * DAY_S
    assert [again.has(number, end) for number in latest] == [recent_callers.has(number, end) for number in latest]


def test_of_too_many_numbers_the_one_admitted_longest_ago_is_forgotten_and_deleted() -> None:
    recent_callers = RecentCallers(most=2)
    recent_callers.restore({"2": NOW + 2, "1": NOW + 1})
    recent_callers.admitted("3", NOW + 3)
    assert recent_callers.changed == {"3": NOW + 3, "1": None}
    assert [recent_callers.has(number, NOW + 3) for number in ("1", "2", "3")] == [False, True, True]
