from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission import keypad
from bridge.domain.admission.keypad import EntryEnded, EntryOpen, EntryTimeouts

PATIENCE = EntryTimeouts(first_digit_s=10, inter_digit_s=4, entry_s=30, tries=3)


def entry(keys: str, shortest: int = 9) -> EntryOpen | EntryEnded:
    state: EntryOpen | EntryEnded = EntryOpen("")
    for key in keys:
        if isinstance(state, EntryEnded):
            return state
        state = keypad.press(state.digits, key, shortest)
    return state


def test_hash_ends_an_entry() -> None:
    assert entry("123#") == EntryEnded("123")


def test_hash_before_any_digit_means_nothing() -> None:
    assert entry("##12") == EntryOpen("12")


def test_star_clears() -> None:
    assert entry("12*34") == EntryOpen("34")


def test_a_guess_cannot_be_taken_back_unjudged() -> None:
    """It is one from the length of the shortest live code on: shorter entries are compared with no code."""
    assert entry("12345678*") == EntryOpen("")
    assert entry("123456789*7") == EntryEnded("123456789")
    assert entry("123*", shortest=4) == EntryOpen("")
    assert entry("1234*", shortest=4) == EntryEnded("1234")
    assert [keypad.is_guess(digits, 4) for digits in ("", "123", "1234", "12345")] == [False, False, True, True]


def test_letters_of_the_fourth_column_are_ignored() -> None:
    assert entry("1A2BCD") == EntryOpen("12")


@given(st.text("0123456789*#ABCD", max_size=600))
def test_whatever_is_keyed_an_entry_is_short_and_only_digits(keys: str) -> None:
    digits = entry(keys).digits
    assert len(digits) <= keypad.MAX_KEYED
    assert set(digits) <= keypad.DIGITS


def test_patience_grows_short_once_no_code_can_match() -> None:
    assert keypad.silence_allowed("", 7, PATIENCE) == 10
    assert keypad.silence_allowed("123456", 7, PATIENCE) == 4
    assert keypad.silence_allowed("1234567", 7, PATIENCE) == 2
