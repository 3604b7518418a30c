"""Weak codes: those that people try first, and few others."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.provisioning import weak_codes

WEAK = {
    "repeated": ["000000", "7777777"],
    "counted": ["123456", "987654", "890123", "13579135", "210987", "112233", "998877"],
    "mirrored": ["123321", "8150518", "47100174"],
    "blocks": ["121212", "123123", "1231231", "47114711"],
    "dates": ["25112026", "11252026", "20261125", "19991231", "251126", "261125", "112526"],
    "keypad": ["147258", "14725836", "258025", "2580147", "137913", "139713", "789456123", "159357", "963852741"],
}


@pytest.mark.parametrize("digits", [digits for each in WEAK.values() for digits in each])
def test_patterns_are_weak(digits: str) -> None:
    assert weak_codes.is_weak(digits)


@pytest.mark.parametrize("digits", ["815027", "8150273", "52719384", "99132026", "640917352"])
def test_others_are_not(digits: str) -> None:
    assert not weak_codes.is_weak(digits)


@pytest.mark.parametrize(
    ("digits", "known"),
    [("0471920", "4930471920"), ("30471920", "+49 30 471920"), ("8361927", "836-1927"), ("40711500", "emp-4071")],
)
def test_digits_that_are_no_secret_are_weak(digits: str, known: str) -> None:
    assert not weak_codes.is_weak(digits)
    assert weak_codes.is_weak(digits, ["", "Ada", known])


def test_a_short_user_id_bars_nothing() -> None:
    assert not weak_codes.is_weak("52719384", ["1", "27", "e-193"])


@given(st.integers(6, 16), st.integers(0, 9), st.integers(0, 9))
def test_every_even_step_is_weak(length: int, first: int, step: int) -> None:
    digits = "".join(str(digit % 10) for digit in itertools.islice(itertools.count(first, step), length))
    assert weak_codes.is_weak(digits)


@pytest.mark.parametrize(("length", "most"), [(6, 0.12), (7, 0.002), (8, 0.004), (9, 0.0005), (10, 0.0005)])
def test_few_random_codes_are_weak(length: int, most: float) -> None:
    source = random.Random(length)
    weak = sum(weak_codes.is_weak(str(source.randrange(10**length)).zfill(length)) for _ in range(20_000))
    assert weak / 20_000 < most
