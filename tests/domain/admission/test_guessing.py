"""The chance of a guess, and what an installation allows a month."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission import guessing
from bridge.domain.admission.bucket import DAY_S, SHARED, BucketKind
from bridge.domain.admission.guessing import MONTH_S, Allowance

allowances = st.builds(Allowance, st.floats(1e-10, 1e-5), st.floats(1e-3, 1.0))


def test_an_entry_is_matched_at_every_length_up_to_its_own() -> None:
    lengths = {9: 16, 10: 100}
    assert [guessing.chance(lengths, keyed) for keyed in (0, 8, 9, 10, 32)] == pytest.approx(
        [0, 0, 1.6e-8, 2.6e-8, 2.6e-8]
    )
    assert guessing.chance({}, 32) == 0


def test_a_whole_entry_is_matched_at_its_own_length_alone() -> None:
    lengths = {9: 16, 10: 100}
    assert guessing.chance_of(lengths, 10, whole=True) == pytest.approx(1e-8)
    assert guessing.chance_of(lengths, 11, whole=True) == 0
    assert guessing.chance_of(lengths, 11, whole=False) == guessing.chance(lengths, 11)


@given(st.dictionaries(st.integers(4, 16), st.integers(0, 10**6)), st.integers(0, 32))
def test_a_whole_entry_never_has_the_better_chance_and_more_digits_never_the_worse(
    lengths: dict[int, int], keyed: int
) -> None:
    chance = guessing.chance(lengths, keyed)
    assert 0 <= guessing.chance_of(lengths, keyed, whole=True) <= chance
    assert chance <= guessing.chance(lengths, keyed + 1)


def test_by_default_23_entries_a_minute_and_2000_at_once() -> None:
    allowance = Allowance()
    assert allowance.burst / allowance.odds == pytest.approx(2_000)
    assert allowance.per_s * 60 / allowance.odds == pytest.approx(23.1, abs=0.05)


@given(allowances)
def test_burst_and_rate_make_up_what_is_allowed_a_month(allowance: Allowance) -> None:
    assert allowance.burst + allowance.per_s * MONTH_S == pytest.approx(allowance.a_month)
    assert 0 < allowance.burst <= allowance.a_month / 10
    assert allowance.per_s > 0


@given(allowances)
def test_policies_share_what_is_allowed(allowance: Allowance) -> None:
    policies, stock = allowance.policies(), allowance.stock
    number, lot = policies[BucketKind.ACCESS_NUMBER], policies[BucketKind.INSTALLATION]
    assert set(policies) == set(BucketKind)
    assert lot.burst + stock.burst == pytest.approx(allowance.burst)
    assert (lot.per_s, stock.per_s) == (0.0, allowance.per_s)
    assert number.burst + number.per_s * MONTH_S <= guessing.ACCESS_NUMBER_SHARE * allowance.a_month
    assert all(policies[kind].most >= policies[kind].burst for kind in BucketKind)
    assert number.most == number.burst
    assert guessing.FIRST > guessing.RESERVE


def test_own_buckets_hold_entries_whatever_the_odds_are() -> None:
    for kind in set(BucketKind) - SHARED:
        assert Allowance(1e-9).policies()[kind] == Allowance(1e-7).policies()[kind]
    pin = Allowance().policies()[BucketKind.PASSCODE]
    assert (pin.burst, pin.per_s * DAY_S) == (20, pytest.approx(20))


@given(allowances, st.floats(0, 1e-3))
def test_short_codes_let_more_be_spent_at_once_and_no_more_a_month(allowance: Allowance, worst: float) -> None:
    fitted = allowance.fitted(worst)
    assert fitted.a_month == allowance.a_month
    assert fitted.burst + fitted.per_s * MONTH_S == pytest.approx(allowance.a_month)
    assert allowance.burst <= fitted.burst <= allowance.a_month / 10
    assert allowance.fitted(allowance.odds / 2) == allowance
