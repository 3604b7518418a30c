"""The timeline of a switch: the daemon's readings of the clock, and the memory of hidden spans."""

from bridge.domain.metering.journal_line import Alive, ClockReading
from bridge.domain.metering.switch_timeline import (
    ENDING_BYTES,
    PAST,
    ClockSteppedBack,
    GapFound,
    GapsExplained,
    HiddenSpan,
    SwitchState,
    SwitchTimeline,
    TimelineEvent,
)
from tests.domain.metering.journals import BEAT, SECOND, START


class Heartbeat:
    """A timeline that takes in ALIVE lines, each with the daemon's last reading of the clock."""

    def __init__(self) -> None:
        self.timeline = SwitchTimeline(SwitchState())
        self._count = 0

    def beat(self, after_us: int, reading: tuple[int, int] | None = None) -> list[TimelineEvent]:
        """`reading` is how far the clock was stepped since START, and how long the machine has run since then."""
        clock = ClockReading(START + reading[0], reading[1]) if reading else None
        self._count += 1
        return list(self.timeline.heartbeat(Alive(START + after_us, "n-1.0", self._count, "n-1.0", clock, 0)))

    @property
    def state(self) -> SwitchState:
        return self.timeline.state((), ())


def test_a_reading_that_is_repeated_says_nothing_of_a_gap_until_there_is_a_new_one() -> None:
    heart = Heartbeat()
    assert heart.beat(0, (0, 0)) == []
    assert heart.beat(2 * SECOND, (0, 0)) == [GapFound(2 * SECOND)]
    assert heart.beat(2 * SECOND + BEAT, (0, 2 * SECOND + 1000)) == [GapsExplained(0, False)]


def test_a_new_reading_from_before_the_end_of_a_gap_does_not_explain_it() -> None:
    heart = Heartbeat()
    heart.beat(0, (0, 0))
    assert heart.beat(2 * SECOND, (0, 200_000)) == [GapFound(2 * SECOND)]


def test_a_small_step_back_is_shown_by_the_reading_alone() -> None:
    heart = Heartbeat()
    heart.beat(0, (0, 0))
    assert heart.beat(BEAT - 200_000, (-200_000, BEAT - 1000)) == [ClockSteppedBack(200_000, False)]


def test_a_step_back_that_the_line_shows_is_not_reported_again_by_its_reading() -> None:
    heart = Heartbeat()
    heart.beat(0, (0, 0))
    assert heart.beat(BEAT - 10 * SECOND, (-10 * SECOND, BEAT - 1000)) == [ClockSteppedBack(9_500_000, True)]


def test_a_small_step_forward_leaves_an_earlier_freeze_a_freeze_on_the_new_clock() -> None:
    heart = Heartbeat()
    heart.beat(0, (0, 0))
    assert heart.beat(10 * SECOND, (0, 10 * SECOND)) == [GapFound(10 * SECOND), GapsExplained(0, False)]
    later = 10 * SECOND + BEAT
    assert heart.beat(later + 200_000, (200_000, later)) == [GapsExplained(200_000, False)]
    assert heart.state.freezes == ((START + 200_000, START + 10 * SECOND + 200_000),)
    assert heart.state.woke_us == START + 10 * SECOND


def test_a_gap_that_was_a_step_forward_is_no_freeze() -> None:
    heart = Heartbeat()
    heart.beat(0, (0, 0))
    assert heart.beat(10 * SECOND + BEAT, (10 * SECOND, BEAT - 1000)) == [
        GapFound(10 * SECOND + BEAT),
        GapsExplained(10 * SECOND, True),
    ]
    assert (heart.state.freezes, heart.state.froze_us, heart.state.woke_us) == ((), 0, 0)


def test_of_too_many_hidden_spans_the_oldest_two_become_one_that_hides_as_much() -> None:
    heart = Heartbeat()
    heart.beat(0)
    for number in range(PAST + 1):
        heart.timeline.garbage_read(ENDING_BYTES if number == 0 else 1)
        heart.beat((number + 1) * BEAT)
    first, second, *_, last = heart.state.hidden
    assert len(heart.state.hidden) == PAST
    assert first == HiddenSpan(START, START + 2 * BEAT, endings=True)
    assert second == HiddenSpan(START + 2 * BEAT, START + 3 * BEAT, endings=False)
    assert last == HiddenSpan(START + PAST * BEAT, START + (PAST + 1) * BEAT, endings=False)
