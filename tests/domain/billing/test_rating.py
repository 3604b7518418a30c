from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.billing import rating
from bridge.domain.billing.rating import TariffVersion
from bridge.domain.errors import Invalid

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
increments = st.integers(1, 3600)
durations = st.integers(0, 40 * 86_400 * 10**6)


def tariff(
    per_minute: str = "0.06", connect_fee: str = "0", first: int = 60, following: int = 60, decimals: int = 2
) -> TariffVersion:
    return TariffVersion(
        UUID(int=1), UUID(int=2), NOVEMBER, Decimal(per_minute), Decimal(connect_fee), first, following, decimals
    )


@given(durations, increments, increments)
def test_billed_seconds_cover_the_stay_and_exceed_it_by_less_than_an_increment(us: int, first: int, then: int) -> None:
    seconds = rating.billed_seconds(us, first, then)
    assert seconds * 10**6 >= us
    if us:
        assert seconds == first or seconds * 10**6 - us < then * 10**6
        assert (seconds - first) % then == 0
    else:
        assert seconds == 0


@given(durations, durations, increments, increments)
def test_a_longer_stay_never_costs_less(one: int, other: int, first: int, then: int) -> None:
    shorter, longer = sorted((one, other))
    assert rating.billed_seconds(shorter, first, then) <= rating.billed_seconds(longer, first, then)


@given(durations, st.decimals(0, 1000, places=6), st.decimals(0, 1000, places=6), st.integers(0, 6))
def test_a_charge_is_within_half_a_unit_of_the_exact_price(us: int, price: Decimal, fee: Decimal, places: int) -> None:
    version = tariff(str(price), str(fee), 6, 6, places)
    charge = rating.charge(us, version)
    exact_times_60 = price * charge.billed_seconds + fee * 60
    assert abs(charge.amount * 60 - exact_times_60) <= Decimal(30).scaleb(-places)
    assert charge.amount == charge.amount.quantize(Decimal(1).scaleb(-places))


@pytest.mark.parametrize(
    ("us", "first", "then", "billed"),
    [
        (0, 60, 60, 0),
        (1, 60, 60, 60),
        (60_000_000, 60, 60, 60),
        (60_000_001, 60, 60, 120),
        (30_000_001, 30, 6, 36),
        (10_800_000_000, 1, 1, 10_800),
        (999_999, 1, 1, 1),
    ],
)
def test_increments_as_the_field_writes_them(us: int, first: int, then: int, billed: int) -> None:
    assert rating.billed_seconds(us, first, then) == billed


def test_the_connect_fee_falls_once() -> None:
    assert rating.charge(90_000_000, tariff(connect_fee="0.10")).amount == Decimal("0.22")


def test_the_version_in_force_is_the_latest_that_had_begun() -> None:
    first, second = tariff(), tariff("0.08")
    object.__setattr__(second, "effective_from", NOVEMBER + timedelta(days=10))
    versions = [second, first]
    assert rating.effective(versions, NOVEMBER - timedelta(microseconds=1)) is None
    assert rating.effective(versions, NOVEMBER) is first
    assert rating.effective(versions, NOVEMBER + timedelta(days=10)) is second


@pytest.mark.parametrize(
    ("version", "field"),
    [
        (tariff("-0.01"), "per_minute"),
        (tariff("NaN"), "per_minute"),
        (tariff("0.0000001"), "per_minute"),
        (tariff(connect_fee="Infinity"), "connect_fee"),
        (tariff(first=0), "first_increment_s"),
        (tariff(following=3601), "next_increment_s"),
        (tariff(decimals=1), "decimals"),
        (tariff(decimals=7), "decimals"),
    ],
)
def test_numbers_that_make_no_tariff_are_named(version: TariffVersion, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rating.checked(version, "USD")
    assert refused.value.field == field


@given(durations, durations, increments, increments)
def test_estimated_time_is_billed_only_when_the_tariff_says_so(us: int, bound: int, first: int, then: int) -> None:
    version = tariff(first=first, following=then)
    assert rating.charge(us, version, bound) == rating.charge(us, version)
    generous = replace(version, bill_estimated=True)
    assert rating.charge(us, generous, bound) == rating.charge(us + bound, version)


def test_a_version_whose_numbers_make_a_tariff_is_taken_as_it_is() -> None:
    version = tariff("0.000001", "1000")
    assert rating.checked(version, "USD") is version
