"""Wrong entries of the last day."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.bucket import DAY_S
from bridge.domain.admission.wrong_entries import WrongEntries

NOW = 1.7e9


def test_an_entry_is_remembered_for_a_day() -> None:
    entries = WrongEntries()
    entries.add(b"1", NOW)
    assert entries.has(b"1", NOW)
    assert entries.has(b"1", NOW + DAY_S - 1)
    assert not entries.has(b"1", NOW + DAY_S)
    assert not entries.has(b"2", NOW)


def test_with_a_clock_that_was_set_back_an_entry_is_judged_again() -> None:
    entries = WrongEntries()
    entries.add(b"1", NOW)
    assert not entries.has(b"1", NOW - 1)


def test_an_entry_keyed_again_is_among_the_latest() -> None:
    entries = WrongEntries(most=2)
    for entry in (b"1", b"2", b"1", b"3"):
        entries.add(entry, NOW)
    assert [entries.has(entry, NOW) for entry in (b"1", b"2", b"3")] == [True, False, True]


@given(st.lists(st.integers(0, 20)))
def test_the_latest_are_remembered_and_no_more(entered: list[int]) -> None:
    entries = WrongEntries(most=5)
    for number in entered:
        entries.add(bytes([number]), NOW)
    latest = list(dict.fromkeys(reversed(entered)))[:5]
    assert len(entries) == len(latest)
    assert {number for number in range(21) if entries.has(bytes([number]), NOW)} == set(latest)
