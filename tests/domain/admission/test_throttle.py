"""Throttles: the delays and blocks after wrong entries, of one throttle and of all together."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.throttle import DAY_S, FORGIVEN_S, Throttle, ThrottleKey, ThrottleKind, ThrottlePolicy
from bridge.domain.admission.throttles import CallSource, Throttles

NOW = 1.7e9
OWN = ThrottlePolicy(1800, 3, 1, 1.0, 16.0, block_at=9.5, block_s=300)
SHARED = ThrottlePolicy(120, 20, 10, 1.0, 8.0, alarm_at=20)
POLICIES = {
    ThrottleKind.CALLER: OWN,
    ThrottleKind.TRUNK: SHARED,
    ThrottleKind.ACCESS_NUMBER: SHARED,
    ThrottleKind.INSTALLATION: SHARED,
}
GUESSER = CallSource("4930123456", "192.0.2.7", "18005550100")
gaps = st.lists(st.floats(0, 10 * DAY_S), max_size=60)


def after(failures: int, policy: ThrottlePolicy = OWN, gap_s: float = 0.0, now: float = NOW) -> Throttle:
    throttle = Throttle()
    for number in range(failures):
        throttle = throttle.failed(now + number * gap_s, policy)
    return throttle


def test_the_first_few_are_free_then_each_doubles_the_delay_up_to_a_cap() -> None:
    assert [after(failures).delay_s(NOW, OWN) for failures in range(9)] == [0, 0, 0, 0, 1, 2, 4, 8, 16]
    assert after(40).delay_s(NOW, OWN) == 16


def test_a_level_halves_within_its_half_life() -> None:
    assert math.isclose(after(8).level_at(NOW + 1800, OWN), 4)
    assert math.isclose(after(8).level_at(NOW + 5400, OWN), 1)


def test_each_further_block_is_twice_as_long_a_day_at_most_and_forgotten_after_a_week() -> None:
    throttle, now, lengths = after(9), NOW, []
    for _ in range(11):
        while not throttle.blocked(now):
            throttle = throttle.failed(now, OWN)
        lengths.append(throttle.blocked_until - now)
        now = throttle.blocked_until
    assert lengths == [min(DAY_S, 300 * 2**repeat) for repeat in range(11)]
    late = now + FORGIVEN_S
    throttle = throttle.failed(late, OWN)
    for _ in range(9):
        throttle = throttle.failed(late, OWN)
    assert throttle.blocked_until - late == 300


def test_failures_while_blocked_do_not_prolong_the_block() -> None:
    blocked = after(10)
    assert blocked.failed(NOW + 10, OWN).blocked_until == blocked.blocked_until == NOW + 300


def test_no_clock_that_was_set_back_blocks_for_longer_than_a_day() -> None:
    assert not after(10).blocked(NOW - 2 * DAY_S)


@given(gaps, st.floats(0, 1000))
def test_whatever_happens_a_delay_has_its_cap_and_time_only_lowers_it(waits: list[float], later: float) -> None:
    throttle, now = Throttle(), NOW
    for wait in waits:
        now += wait
        before = throttle.level_at(now, OWN)
        throttle = throttle.failed(now, OWN)
        assert math.isclose(throttle.level, before + 1)
        assert not throttle.blocked_until or throttle.blocked_until <= now + DAY_S
    assert 0 <= throttle.delay_s(now + later, OWN) <= throttle.delay_s(now, OWN) <= OWN.longest_s
    assert not throttle.blocked(now + DAY_S)


@given(
    st.integers(0, 10_000), st.sampled_from([ThrottleKind.TRUNK, ThrottleKind.ACCESS_NUMBER, ThrottleKind.INSTALLATION])
)
def test_what_many_share_slows_and_never_blocks(failures: int, kind: ThrottleKind) -> None:
    throttle = Throttle(failures, NOW).failed(NOW, POLICIES[kind])
    assert not throttle.blocked(NOW)
    assert throttle.delay_s(NOW, POLICIES[kind]) <= 8


# --- All of them --------------------------------------------------------------------------------------------------
def test_a_guesser_is_blocked_and_slows_strangers_but_not_known_callers() -> None:
    throttles = Throttles(POLICIES)
    for _ in range(60):
        throttles.fail(GUESSER, NOW)
    assert throttles.blocked(GUESSER, NOW)
    stranger = CallSource("4940999", "192.0.2.8", "18005550100")
    known = CallSource("4940999", "192.0.2.8", "18005550100", known=True)
    assert throttles.delay_s(stranger, NOW) == 8
    assert throttles.delay_s(known, NOW) == 0
    assert not throttles.blocked(stranger, NOW)


def test_whoever_withholds_the_number_shares_a_throttle_with_the_same_trunk_alone() -> None:
    throttles = Throttles(
        {**POLICIES, ThrottleKind.ACCESS_NUMBER: OWN, ThrottleKind.INSTALLATION: ThrottlePolicy(120, 1e9, 1, 1, 1)}
    )
    here, there = CallSource("", "192.0.2.7", "1"), CallSource("", "192.0.2.8", "2")
    for _ in range(50):
        throttles.fail(here, NOW)
    assert throttles.delay_s(here, NOW) > 0
    assert throttles.delay_s(there, NOW) == 0
    assert not throttles.blocked(here, NOW)


def test_failures_under_a_known_number_delay_it_without_blocking_and_count_for_the_alarm() -> None:
    throttles = Throttles(POLICIES)
    known = CallSource("4930123456", "192.0.2.7", "18005550100", known=True)
    for _ in range(25):
        throttles.fail(known, NOW)
    assert not throttles.blocked(known, NOW)
    assert throttles.delay_s(known, NOW) == 16
    assert throttles.alarms(NOW)[0] == set(GUESSER.shared)


def test_guessing_is_told_once_and_ends_at_half_the_level() -> None:
    throttles = Throttles(POLICIES)
    for number in range(25):
        throttles.fail(CallSource(str(number + 1), "192.0.2.7", "18005550100"), NOW)
    assert throttles.alarms(NOW) == (set(GUESSER.shared), set())
    throttles.fail(GUESSER, NOW)
    assert throttles.alarms(NOW) == (set(), set())
    assert throttles.guessing == set(GUESSER.shared)
    assert throttles.alarms(NOW + 120) == (set(), set())
    assert throttles.alarms(NOW + 240) == (set(), set(GUESSER.shared))
    assert throttles.guessing == set()


def test_what_stands_in_the_way_is_listed_and_can_be_lifted() -> None:
    throttles = Throttles(POLICIES)
    for _ in range(10):
        throttles.fail(GUESSER, NOW)
    [throttle] = throttles.active(NOW)
    assert (throttle.key, throttle.blocked_until) == (ThrottleKey(ThrottleKind.CALLER, "4930123456"), NOW + 300)
    throttles.lift(throttle.key)
    assert throttles.active(NOW) == []
    assert not throttles.blocked(GUESSER, NOW)
    assert throttles.changed[throttle.key] is None


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 60)), max_size=400))
def test_however_many_numbers_are_forged_no_more_are_kept_than_there_is_room_for(
    calls: list[tuple[int, float]],
) -> None:
    throttles, now, stored = Throttles(POLICIES, most=50), NOW, {}
    for number, wait in calls:
        now += wait
        throttles.fail(CallSource(f"49{number}", "192.0.2.7", "18005550100"), now)
        assert len(throttles) <= 50
    stored = {key: one for key, one in throttles.changed.items() if one is not None}
    # What is stored is what is known.
    again = Throttles(POLICIES, most=50)
    again.restore(stored)
    assert len(again) == len(throttles)
    assert again.active(now) == throttles.active(now)
    if calls:
        assert throttles.level(ThrottleKey(ThrottleKind.INSTALLATION), now) >= 1


def test_a_guesser_is_not_forgotten_for_a_crowd_of_forged_numbers() -> None:
    throttles = Throttles(POLICIES, most=50)
    for _ in range(10):
        throttles.fail(GUESSER, NOW)
    for number in range(10_000):
        throttles.fail(CallSource(f"1{number}", "192.0.2.7", "18005550100"), NOW + number / 1000)
    assert throttles.blocked(GUESSER, NOW + 10)


def test_what_has_faded_is_forgotten() -> None:
    throttles = Throttles(POLICIES)
    for _ in range(10):
        throttles.fail(GUESSER, NOW)
    throttles.fade(NOW + DAY_S)
    # A caller who was blocked is remembered for as long as it would count.
    assert len(throttles) == 1
    throttles.fade(NOW + DAY_S + FORGIVEN_S)
    assert len(throttles) == 0
    assert set(throttles.changed.values()) == {None}


def test_names_of_keys_are_their_own() -> None:
    keys = [ThrottleKey(kind, value) for kind in ThrottleKind for value in ("", "1", "2")]
    assert len({key.id for key in keys}) == len(keys)


def test_a_key_without_failures_has_nothing_to_lift() -> None:
    throttles = Throttles(POLICIES)
    throttles.lift(GUESSER.own)
    assert throttles.changed == {}


def test_without_any_failure_nobody_waits() -> None:
    assert Throttles(POLICIES).delay_s(GUESSER, NOW) == 0.0


def test_throttles_stored_before_a_restart_go_on() -> None:
    throttles = Throttles(POLICIES)
    throttles.restore({GUESSER.own: after(5)})
    assert throttles.delay_s(GUESSER, NOW) == 2.0
    assert throttles.changed == {}
