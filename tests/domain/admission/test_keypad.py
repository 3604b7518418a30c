from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission import keypad
from bridge.domain.admission.keypad import EntryEnded, EntryOpen, EntryTimeouts

PATIENCE = EntryTimeouts(first_digit_s=10, inter_digit_s=4, entry_s=30, tries=3)


def entry(keys: str, guess_from: int = 6) -> EntryOpen | EntryEnded:
    """Key an entry that is looked up as a guess from so many digits on."""
    state: EntryOpen | EntryEnded = EntryOpen("")
    for key in keys:
        if isinstance(state, EntryEnded):
            return state
        state = keypad.press(state.digits, key, len(state.digits) >= guess_from)
    return state


def test_hash_ends_an_entry() -> None:
    assert entry("123#") == EntryEnded("123")


def test_hash_before_any_digit_means_nothing() -> None:
    assert entry("##12") == EntryOpen("12")


def test_star_clears() -> None:
    assert entry("12*34") == EntryOpen("34")


def test_a_guess_cannot_be_taken_back_unjudged() -> None:
    assert entry("12345*") == EntryOpen("")
    assert entry("123456*7") == EntryEnded("123456")


def test_an_entry_that_nobody_looked_up_is_cleared_however_long_it_is() -> None:
    assert entry("1234567890*12", guess_from=99) == EntryOpen("12")


def test_letters_of_the_fourth_column_are_ignored() -> None:
    assert entry("1A2BCD") == EntryOpen("12")


@given(st.text("0123456789*#ABCD", max_size=600), st.integers(1, 33))
def test_whatever_is_keyed_an_entry_is_short_and_only_digits(keys: str, guess_from: int) -> None:
    state = entry(keys, guess_from)
    assert len(state.digits) <= keypad.MAX_KEYED
    assert set(state.digits) <= keypad.DIGITS
    assert state.digits or isinstance(state, EntryOpen)


@given(st.text("0123456789ABCD*#", min_size=1, max_size=60), st.integers(1, 32))
def test_no_key_takes_digits_of_a_guess_back(keys: str, guess_from: int) -> None:
    state: EntryOpen | EntryEnded = EntryOpen("1" * guess_from)
    for key in keys:
        if isinstance(state, EntryEnded):
            break
        state = keypad.press(state.digits, key, is_guess=True)
        assert state.digits.startswith("1" * guess_from)


def test_patience_grows_short_once_no_code_can_match() -> None:
    assert keypad.silence_allowed("", 7, PATIENCE) == 10
    assert keypad.silence_allowed("123456", 7, PATIENCE) == 4
    assert keypad.silence_allowed("1234567", 7, PATIENCE) == 2
