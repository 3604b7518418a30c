"""Keys count once and in order, whatever the network does to the packets that carry them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.asterisk.ari.key_presses import KeyPresses
from tests.asterisk.ari.dtmf_model import Asterisk, Press, packets

KEYS = "0123456789*#"


def counted(reports: list[tuple[int, str]]) -> str:
    """The keys that count, of reports at times in ms."""
    presses = KeyPresses()
    keys = [key for at, report in reports for key in presses.reported(report, at / 1000)]
    return "".join([*keys, *presses.settled(float("inf"))])


def after(text: str) -> list[tuple[int, str]]:
    """Reports as `7 4+159`: a key, and ms since the report before."""
    at, reports = 0, []
    for word in text.split():
        key, _, pause = word.partition("+")
        at += int(pause or 0)
        reports.append((at, key))
    return reports


# What Asterisk 22.10 reported of callers whose audio stalled for 0.1 to 0.6 s in the middle of a code.
@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ("5 5+650 0+1 0+125 9+1 9+125 5+1 5+125 6+0 6+130 7+1 7+157 9+1 9+126", "55095679"),
        ("9 6+244 5+77 5+45 1+114 1+12 1+156 6+153 8+159 3+160", "96511683"),
        ("1 0+160 0+160 9+161 8+201 9+153 9+127 9+2 3+157", "10098993"),
        ("4 2+159 1+164 4+155 8+160 1+231 5+89 5+36 8+125 8+0", "42148158"),
        ("2 1+322 7+1 7+44 0+113 0+13 9+147 1+177 5+143 1+160", "21709151"),
        ("7 4+159 4+159 5+282 9+38 9+7 4+153 2+162 5+159", "74459425"),
        ("3 3+369 3+2 3+129 0+0 0+126 7+13 7+112 1+47 1+78 9+82 9+43 6+117 6+9", "33307196"),
        ("8 9+281 5+40 5+5 1+154 8+160 3+160 4+160 7+160", "89518347"),
    ],
)
def test_keys_of_a_stalled_network_count_once(reports: str, code: str) -> None:
    assert counted(after(reports)) == code


@pytest.mark.parametrize("apart", [100, 120, 145, 160, 400])
def test_a_fast_dialler_is_heard_in_full(apart: int) -> None:
    code = "1223334444#"
    assert counted([(apart * number, key) for number, key in enumerate(code)]) == code


def test_a_clock_that_is_set_back_loses_no_key() -> None:
    assert counted([(10_000, "1"), (2_000, "2"), (2_300, "3")]) == "123"


def test_a_key_in_doubt_counts_after_a_while() -> None:
    presses = KeyPresses()
    assert presses.reported("1", 1.0) == ["1"]
    assert presses.settles_at() is None
    assert presses.reported("2", 1.1) == []
    settles_at = presses.settles_at()
    assert settles_at is not None
    assert presses.settled(settles_at - 0.01) == []
    assert presses.settled(settles_at) == ["2"]
    assert presses.settled(settles_at) == []


def neighbours_differ(presses: list[Press]) -> bool:
    return all(one.key != next_one.key for one, next_one in pairwise(presses))


PRESSES = st.builds(Press, st.sampled_from(KEYS), st.integers(80, 250), st.integers(80, 300))
STALLS = st.lists(st.tuples(st.integers(0, 4000), st.integers(20, 1500)), max_size=3)


@given(st.lists(PRESSES, max_size=12).filter(neighbours_differ), STALLS)
def test_whatever_the_network_does_the_code_is_heard(presses: list[Press], stalls: list[tuple[int, int]]) -> None:
    assert counted(Asterisk(packets(presses, stalls)).run()) == "".join(press.key for press in presses)


def test_a_key_pressed_twice_is_heard_twice_but_for_few_stalls() -> None:
    """If a stall ends within some 5 ms, a key pressed twice and a key put back make the same reports."""
    stalls = [(begin, length) for begin in range(0, 600, 23) for length in range(20, 1000, 29)]
    codes = [counted(Asterisk(packets([Press(key) for key in "1100"], [stall])).run()) for stall in stalls]
    assert codes.count("1100") >= 0.99 * len(stalls)
    assert set(codes) <= {"1100", "100", "110"}
