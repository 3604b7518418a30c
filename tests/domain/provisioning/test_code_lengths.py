"""Lengths of new codes: the odds of one entry stay bounded, whatever is made and revoked."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.errors import Conflict
from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.code_lengths import MAX_LENGTH, CodeLengths

LENGTHS = code_lengths.DEFAULT
ODDS = st.fractions(Fraction(1, 10**9), Fraction(1, 10**5), max_denominator=10**12)
COUNTS = st.one_of(st.integers(1, 30), st.integers(1, 100_000))
STEPS = st.lists(st.tuples(st.booleans(), COUNTS, st.randoms(use_true_random=False)), max_size=12)


def full(lengths: CodeLengths) -> dict[int, int]:
    return {length: most for length in range(MAX_LENGTH + 1) if (most := lengths.most(length))}


def test_the_first_codes_have_nine_digits_and_a_million_fit_into_fourteen() -> None:
    assert LENGTHS.first == 9
    assert [LENGTHS.most(length) for length in range(8, 14)] == [0, 16, 166, 1_666, 16_666, 166_666]
    assert [LENGTHS.most(length) for length in range(14, 18)] == [1_500_000] * 3 + [0]
    assert [LENGTHS.of_new({}, count)[-1] for count in (1, 16, 17, 100, 1_000, 100_000, 1_000_000)] == [
        *(9, 9, 10, 10, 11, 13, 14)
    ]


@given(ODDS)
def test_even_if_every_length_is_full_the_odds_are_bounded(guess_odds: Fraction) -> None:
    lengths = CodeLengths(guess_odds)
    assert lengths.most(lengths.first) >= 10
    assert lengths.first + code_lengths.LENGTHS_WITH_A_SHARE <= MAX_LENGTH
    assert guess_odds * 9 / 10 * 5 / 6 < code_lengths.odds(full(lengths)) <= guess_odds
    with pytest.raises(Conflict, match="another passcode.*BRIDGE_GUESS_ODDS"):
        lengths.of_new(full(lengths))
    assert lengths.next(full(lengths)) is None


@given(ODDS, STEPS)
def test_whatever_is_made_and_revoked_the_odds_are_bounded_and_no_code_is_shorter_than_a_live_one(
    guess_odds: Fraction, steps: list[tuple[bool, int, object]]
) -> None:
    lengths, live = CodeLengths(guess_odds), Counter[int]()
    for makes, count, chance in steps:
        if makes:
            try:
                new = lengths.of_new(live, count)
            except Conflict:
                continue
            assert len(new) == count
            assert new == sorted(new)
            assert new[0] == lengths.next(live) >= code_lengths.longest(live)
            assert lengths.fit(live, new)
            live.update(new)
        elif live:
            length = chance.choice(sorted(live))  # type: ignore[attr-defined]
            live -= Counter({length: count})
        assert code_lengths.odds(live) <= guess_odds
        assert not lengths.overfull(live)


@given(st.integers(1, 3_000), st.integers(1, 300))
def test_a_bulk_lengthens_the_codes_of_others_no_more_than_single_ones_do(before: int, count: int) -> None:
    live = Counter(LENGTHS.of_new({}, before))
    at_once, one_by_one = live + Counter(LENGTHS.of_new(live, count)), Counter(live)
    for _ in range(count):
        one_by_one[LENGTHS.of_new(one_by_one)[0]] += 1
    assert at_once == one_by_one


def test_codes_that_would_not_fit_are_not_added() -> None:
    assert LENGTHS.fit({9: 15}, [9])
    assert not LENGTHS.fit({9: 15}, [9, 9])
    assert not LENGTHS.fit({9: 3, 10: 1}, [9, 10])
    assert not LENGTHS.fit({}, [8])
    with pytest.raises(Conflict, match="so many passcodes"):
        LENGTHS.of_new({}, 5_000_000)


def test_codes_made_before_are_left_out_and_told() -> None:
    """Six digits among 100, nine from a space of ten thousand, and what the rule itself has made."""
    live = {6: 100, 9: 900, 10: 166}
    assert LENGTHS.of_new(live) == [11]
    assert LENGTHS.overfull(live) == {6: 100, 9: 900}
    assert code_lengths.odds(live) == Fraction(100, 10**6) + Fraction(900, 10**9) + Fraction(166, 10**10)
    assert code_lengths.odds({}) == 0


def test_odds_are_told_as_people_read_them() -> None:
    assert code_lengths.in_words(Fraction(3, 10**7)) == "1 in 3,333,333"
    assert code_lengths.in_words(Fraction(0)) == "none"
