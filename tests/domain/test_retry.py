"""Delays between attempts: they double up to the longest, within the jitter."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import retry


def test_delays_double_and_then_stay() -> None:
    middle = islice(retry.delays(0.1, 2.0, lambda: 0.5), 7)
    assert list(middle) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


@pytest.mark.parametrize(("chance", "delay_s"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_chance_spreads_a_delay_by_a_fifth(chance: float, delay_s: float) -> None:
    assert retry.delay(1, 5.0, 60.0, chance) == pytest.approx(delay_s)


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_no_delay_is_longer_than_the_longest_and_its_jitter(attempts: int, chance: float) -> None:
    assert 0 < retry.delay(attempts, 0.1, 2.0, chance) <= 2.0 * (1 + retry.JITTER)
