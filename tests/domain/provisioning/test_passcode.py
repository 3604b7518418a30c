import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import passcode, weak_codes

KEY = b"k" * 32


@given(st.integers(6, 16), st.integers())
def test_generated_codes_are_strong_and_of_the_length_asked_for(length: int, seed: int) -> None:
    digits = passcode.generated(length, random.Random(seed).randrange)
    assert len(digits) == length
    assert digits.isdecimal()
    assert not weak_codes.is_weak(digits)


@pytest.mark.parametrize("digits", ["000000", "123456", "987654", "890123", "121212", "123123", "1231231"])
def test_codes_that_people_try_first_are_weak(digits: str) -> None:
    assert weak_codes.is_weak(digits)


@pytest.mark.parametrize("digits", ["", "12345678a", "७७७७७७७७७", "7413 8264"])
def test_a_chosen_code_is_made_of_digits(digits: str) -> None:
    for refuse in (lambda: passcode.chosen(digits, 9), lambda: passcode.imported(digits)):
        with pytest.raises(Invalid, match="0 to 9") as refused:
            refuse()
        assert refused.value.field == "digits"


@pytest.mark.parametrize("digits", ["74138264", "7413826495", "1" * 17])
def test_a_chosen_code_is_as_long_as_a_generated_one(digits: str) -> None:
    with pytest.raises(Invalid, match="has 9 digits"):
        passcode.chosen(digits, 9)
    assert passcode.chosen("741382649", 9) == "741382649"


@pytest.mark.parametrize("digits", ["741", "1" * 17])
def test_an_imported_code_is_one_that_callers_can_key(digits: str) -> None:
    with pytest.raises(Invalid, match="4 to 16 digits"):
        passcode.imported(digits)
    assert [passcode.imported(fine) for fine in ("1234", "1" * 16)] == ["1234", "1" * 16]


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
