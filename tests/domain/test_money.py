from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import money
from bridge.domain.errors import Invalid

cents = st.integers(-(10**12), 10**12)


@given(cents, st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.integers(0, 6))
def test_shares_add_up_to_the_total(units: int, weights: list[int], decimals: int) -> None:
    total = Decimal(units).scaleb(-decimals)
    parts = money.shared(total, weights, decimals)
    assert sum(parts) == total
    assert len(parts) == len(weights)


@given(cents, st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_a_share_is_within_one_unit_of_its_exact_size(units: int, weights: list[int]) -> None:
    for part, weight in zip(money.shared(Decimal(units), weights, 0), weights, strict=True):
        assert abs(part * sum(weights) - units * weight) < sum(weights)


def test_rounding_is_half_away_from_zero() -> None:
    assert [money.rounded(Decimal(text), 2) for text in ("1.005", "1.0049999", "-1.005")] == [
        Decimal("1.01"),
        Decimal("1.00"),
        Decimal("-1.01"),
    ]


def test_a_total_finer_than_its_decimals_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="decimals"):
        money.shared(Decimal("0.001"), [1, 1], 2)


@pytest.mark.parametrize("code", ["", "US", "DEM", "XXXX", "12", "€"])
def test_what_is_no_currency_in_use_is_refused(code: str) -> None:
    with pytest.raises(Invalid, match="currency"):
        money.currency(code)


def test_minor_units_follow_iso_4217() -> None:
    assert [money.minor_decimals(code) for code in ("USD", "JPY", "KWD")] == [2, 0, 3]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        ("0.05", [1, 1], ["0.03", "0.02"]),
        ("-0.05", [1, 1], ["-0.03", "-0.02"]),
        ("1.00", [0, 3, 1], ["0", "0.75", "0.25"]),
        ("1.00", [0, 0], ["1", "0"]),
    ],
)
def test_what_a_division_leaves_over_goes_to_the_earlier_share(
    total: str, weights: list[int], parts: list[str]
) -> None:
    assert money.shared(Decimal(total), weights, 2) == [Decimal(part) for part in parts]


@pytest.mark.parametrize(("weights", "reason"), [([], "nothing to share over"), ([2, -1], "a weight is negative")])
def test_weights_that_cannot_share_anything_are_refused(weights: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        money.shared(Decimal(1), weights, 2)
