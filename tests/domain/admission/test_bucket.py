"""Buckets: they fill by time up to their burst, and hold no more than their most, whatever the clock does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.bucket import DAY_S, INSTALLATION, Bucket, BucketKey, BucketKind, BucketPolicy

NOW = 1.7e9
POLICY = BucketPolicy(burst=10.0, per_s=0.5, most=30.0)
UNFILLED = BucketPolicy(burst=10.0, per_s=0.0, most=10.0)


def test_a_bucket_fills_by_time_up_to_its_burst() -> None:
    empty = Bucket.full(POLICY, NOW).taken(10)
    levels = [empty.filled(POLICY, NOW + later).level for later in (0, 1, 10, 20, 1000)]
    assert levels == [0, 0.5, 5, 10, 10]


def test_credit_stays_and_ends_at_the_most() -> None:
    credited = Bucket.full(POLICY, NOW).given(5, POLICY)
    assert credited.filled(POLICY, NOW + DAY_S).level == 15
    assert credited.given(100, POLICY).level == 30


def test_a_bucket_stored_under_a_larger_policy_shrinks_to_the_present_one() -> None:
    assert Bucket(1000, NOW).filled(POLICY, NOW).level == 30
    assert Bucket(30, NOW).filled(UNFILLED, NOW).level == 10


def test_a_debt_is_filled_first() -> None:
    assert Bucket(-5, NOW).filled(POLICY, NOW + 10).level == 0


def test_a_debt_is_no_deeper_than_the_most() -> None:
    assert [Bucket(0, NOW).owing(amount, POLICY).level for amount in (0, 1, 30, 99)] == [0, -1, -30, -30]


def test_a_clock_that_was_set_back_fills_nothing_and_time_goes_on_from_there() -> None:
    back = Bucket(0, NOW).filled(POLICY, NOW - DAY_S)
    assert back == Bucket(0, NOW - DAY_S)
    assert back.filled(POLICY, NOW - DAY_S + 2).level == 1


def test_the_wait_is_the_time_until_the_bucket_holds_an_amount() -> None:
    assert Bucket(0, NOW).waits_s(1, POLICY, NOW) == 2
    assert Bucket(1, NOW).waits_s(1, POLICY, NOW) == 0
    assert Bucket(0, NOW).waits_s(99, POLICY, NOW) == 20  # no more than the bucket can hold is ever waited for
    assert Bucket(0, NOW).waits_s(1, UNFILLED, NOW) == float("inf")


@given(
    st.floats(-100, 100),
    st.lists(st.tuples(st.floats(-5 * DAY_S, 5 * DAY_S), st.floats(0, 20), st.booleans()), max_size=40),
)
def test_no_clock_and_no_gift_fills_a_bucket_beyond_its_most(
    level: float, steps: list[tuple[float, float, bool]]
) -> None:
    bucket, now = Bucket(level, NOW), NOW
    for moved, amount, gives in steps:
        now += moved
        bucket = bucket.filled(POLICY, now)
        bucket = bucket.given(amount, POLICY) if gives else bucket.taken(amount)
        assert bucket.filled(POLICY, now + 365 * DAY_S).level <= POLICY.most


@given(st.floats(-50, 10, exclude_max=True), st.floats(0, 10))
def test_after_its_wait_a_bucket_holds_the_amount(level: float, amount: float) -> None:
    bucket = Bucket(level, NOW)
    later = NOW + bucket.waits_s(amount, POLICY, NOW)
    assert bucket.filled(POLICY, later).level == pytest.approx(max(level, amount), abs=1e-5)


def test_each_key_has_an_id_of_its_own() -> None:
    keys = [BucketKey(kind, value) for kind in BucketKind for value in ("", "1", "2")]
    assert len({key.id for key in keys}) == len(keys)
    assert INSTALLATION.id == BucketKey(BucketKind.INSTALLATION).id
