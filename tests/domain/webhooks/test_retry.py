"""Times of the next attempt to deliver an event that was not received."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.retry import JITTER
from bridge.domain.webhooks import retry
from bridge.domain.webhooks.retry import LONGEST_S, PATIENCE, Reply

REFUSED = Reply(500, "answer 500")
SECOND = timedelta(seconds=1)
spreads = st.floats(0, 1, exclude_max=True)


def test_waits_double_from_five_seconds_to_six_hours() -> None:
    middle = [retry.again_s(attempts, SECOND, REFUSED, 0.5) for attempts in range(1, 16)]
    assert middle[:4] == [5.0, 10.0, 20.0, 40.0]
    assert middle[-2:] == [LONGEST_S, LONGEST_S]


@given(st.integers(1, 10**6), spreads)
def test_jitter_spreads_them(attempts: int, spread: float) -> None:
    middle = retry.again_s(attempts, SECOND, REFUSED, 0.5)
    wait = retry.again_s(attempts, SECOND, REFUSED, spread)
    assert middle is not None
    assert wait is not None
    assert (1 - JITTER) * middle - 1e-6 <= wait <= (1 + JITTER) * middle + 1e-6


@given(spreads)
def test_in_three_days_it_is_tried_about_two_dozen_times_and_then_no_more(spread: float) -> None:
    age, attempts = timedelta(), 0
    while True:
        attempts += 1
        wait = retry.again_s(attempts, age, REFUSED, spread)
        if wait is None:
            break
        age += timedelta(seconds=wait)
    assert PATIENCE <= age < PATIENCE + SECOND
    assert 20 <= attempts <= 28


def test_a_receiver_that_asks_for_patience_gets_it() -> None:
    assert retry.again_s(1, SECOND, Reply(429, "", 120), 0.5) == 120
    assert retry.again_s(1, SECOND, Reply(503, "", 10**8), 0.5) == LONGEST_S
    assert retry.again_s(1, SECOND, Reply(503, "", 0), 0.5) == 5
    assert retry.again_s(1, SECOND, Reply(500, "", 120), 0.5) == 5


def test_what_counts_as_received() -> None:
    assert [Reply(status).delivered for status in (199, 200, 204, 299, 301, 410, None)] == [
        False, True, True, True, False, False, False,
    ]  # fmt: skip
    assert [Reply(status).gone for status in (404, 410)] == [False, True]


def test_the_last_attempt_falls_on_the_end_of_three_days() -> None:
    assert retry.again_s(30, PATIENCE - SECOND, REFUSED, 0.5) == 1.0
    assert retry.again_s(30, PATIENCE, REFUSED, 0.5) is None
