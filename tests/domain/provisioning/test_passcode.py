import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import passcode, weak_codes

KEY = b"k" * 32


def test_lengths_keep_a_random_guess_at_one_in_a_million() -> None:
    for live in (0, 1, 9, 10, 99, 100, 999_999, 1_000_000):
        assert (live + 1) / 10 ** passcode.shortest_allowed(live) <= 1e-6


@given(st.integers(0, 10**9), st.integers(0, 16))
def test_a_new_code_is_never_shorter_than_the_longest_in_use(live: int, longest: int) -> None:
    assert passcode.new_length(live, longest) >= longest


@given(st.integers(6, 16), st.integers())
def test_generated_codes_are_strong_and_of_the_length_asked_for(length: int, seed: int) -> None:
    digits = passcode.generated(length, random.Random(seed).randrange)
    assert len(digits) == length
    assert digits.isdecimal()
    assert not weak_codes.is_weak(digits)


@pytest.mark.parametrize("digits", ["000000", "123456", "987654", "890123", "121212", "123123", "1231231"])
def test_codes_that_people_try_first_are_weak(digits: str) -> None:
    assert weak_codes.is_weak(digits)


@pytest.mark.parametrize("digits", ["", "12345", "12345a", "७७७७७७७", "1" * 17, "7413 82"])
def test_chosen_codes_obey_the_rules_of_generated_ones(digits: str) -> None:
    with pytest.raises(Invalid) as refused:
        passcode.chosen(digits, live_codes=0, longest_in_use=0)
    assert refused.value.field == "digits"


def test_a_fine_code_may_be_chosen() -> None:
    assert passcode.chosen("741382", 0, 6) == "741382"


def test_digests_depend_on_the_key() -> None:
    assert passcode.digest("741382", KEY) != passcode.digest("741382", b"x" * 32)
    assert len(passcode.digest("741382", KEY)) == 32


def test_a_pin_is_recognised_with_its_own_passcode_alone() -> None:
    digest = passcode.pin_digest("246810", KEY, b"p" * 16)
    assert digest == passcode.pin_digest("246810", KEY, b"p" * 16)
    assert digest != passcode.pin_digest("246810", KEY, b"q" * 16)


def test_a_chosen_pin_is_kept_as_it_is() -> None:
    assert passcode.chosen_pin("739164", "8520741") == "739164"


@pytest.mark.parametrize("pin", ["73916", "73916452803", "73916a", "123456", "852074"])
def test_a_pin_of_a_wrong_form_or_too_easy_to_guess_is_refused(pin: str) -> None:
    with pytest.raises(Invalid, match="pin"):
        passcode.chosen_pin(pin, "8520741")


def test_a_weak_code_is_never_handed_out_but_drawn_again() -> None:
    drawn = iter([123456, 74138])
    assert passcode.generated(6, lambda below: next(drawn)) == "074138"
