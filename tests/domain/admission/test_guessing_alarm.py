"""The alarm that somebody is guessing: raised within a minute, and never by honest callers."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.admission.bucket import DAY_S, INSTALLATION, BucketKey, BucketKind
from bridge.domain.admission.guessing_alarm import HALF_LIFE_S, GuessingAlarm

NOW = 1.7e9
NUMBER = BucketKey(BucketKind.ACCESS_NUMBER, "18005550100")
keys = pytest.mark.parametrize("key", [NUMBER, INSTALLATION])


def guessed(alarm: GuessingAlarm, key: BucketKey, per_minute: float, begin: float, seconds: float) -> float | None:
    """Guess at a rate. Return the seconds after which the alarm was raised, None if it was not."""
    for number in range(int(per_minute * seconds / 60)):
        after_s = (number + 1) * 60 / per_minute
        alarm.count(key, begin + after_s, wrong=True)
        if key in alarm.changes((), begin + after_s)[0]:
            return after_s
    return None


@keys
def test_thirty_wrong_a_minute_raise_it_within_a_minute(key: BucketKey) -> None:
    after_s = guessed(GuessingAlarm(), key, 30, NOW, 60)
    assert after_s is not None
    assert after_s <= 60


@given(st.floats(30, 3000), st.floats(0, 1))
def test_faster_guessing_among_honest_calls_raises_it_too(per_minute: float, phase: float) -> None:
    alarm = GuessingAlarm()
    for number in range(600):
        alarm.count(INSTALLATION, NOW - 600 + number, wrong=number % 8 == 0)
    assert alarm.changes((), NOW) == (set(), set())
    assert guessed(alarm, INSTALLATION, per_minute, NOW + phase, 60) is not None


@settings(max_examples=30)
@given(st.integers(), st.sampled_from([0.2, 1.0, 5.0]))
def test_honest_callers_never_raise_it(seed: int, per_s: float) -> None:
    draw = random.Random(seed)
    alarm, now = GuessingAlarm(), NOW
    while now < NOW + 900:
        now += draw.expovariate(per_s)
        if draw.random() < 0.12:
            alarm.count(NUMBER, now, wrong=True)
        alarm.count(NUMBER, now, wrong=False)
        assert alarm.changes((), now) == (set(), set())


@keys
def test_it_is_raised_once_and_ends_though_honest_callers_go_on(key: BucketKey) -> None:
    alarm = GuessingAlarm()
    for number in range(120):
        alarm.count(key, NOW + number, wrong=True)
    assert alarm.changes((), NOW + 120) == ({key}, set())
    assert alarm.changes((), NOW + 121) == (set(), set())
    assert alarm.guessing == {key}
    ended = []
    for number in range(600):
        alarm.count(key, NOW + 121 + number, wrong=number % 8 == 0)
        begun, over = alarm.changes((), NOW + 121 + number)
        assert not begun
        ended += [number] if over else []
    assert len(ended) == 1
    assert alarm.guessing == frozenset()


def test_entries_that_wait_raise_it_and_a_moment_without_any_does_not_end_it() -> None:
    alarm = GuessingAlarm()
    assert alarm.changes([NUMBER], NOW) == ({NUMBER}, set())
    assert alarm.changes([], NOW + 10) == (set(), set())
    assert alarm.changes([NUMBER], NOW + 20) == (set(), set())
    assert alarm.changes([], NOW + 20 + HALF_LIFE_S - 1) == (set(), set())
    assert alarm.changes([], NOW + 20 + HALF_LIFE_S) == (set(), {NUMBER})


def test_the_rate_is_that_of_late() -> None:
    alarm = GuessingAlarm()
    assert alarm.per_minute(NUMBER, NOW) == 0
    for number in range(600):
        alarm.count(NUMBER, NOW + number, wrong=True)
        alarm.count(NUMBER, NOW + number, wrong=False)
    assert alarm.per_minute(NUMBER, NOW + 599.5) == pytest.approx(60, rel=0.01)
    assert alarm.per_minute(NUMBER, NOW + 599.5 + HALF_LIFE_S) == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("moved", [-5 * DAY_S, 5 * DAY_S])
def test_a_clock_that_was_set_by_days_keeps_no_alarm_on(moved: float) -> None:
    alarm = GuessingAlarm()
    for number in range(100):
        alarm.count(NUMBER, NOW + number, wrong=True)
    alarm.changes([INSTALLATION], NOW + 100)
    assert alarm.guessing == {NUMBER, INSTALLATION}
    for minute in range(11):
        alarm.changes((), NOW + moved + minute * 60)
    assert alarm.guessing == frozenset()
