"""Stays of the journal, for lines that come twice, too late, torn, or out of another bridge."""

from dataclasses import replace

from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Evidence, Reason
from tests.domain.metering.folding import RTP_TIMEOUT, fold, incidents, merged, records, word
from tests.domain.metering.journals import BEAT, SECOND, START, CallLines, alive, boot, booting, line, living

STAY = CallLines("n-7.1", START, START + 3 * SECOND, START + 13 * SECOND)
BACK = replace(STAY, joined=START + 15 * SECOND, left=START + 18 * SECOND, bridge="bridge-2")
CAME = [STAY.lines()[1], STAY.entering(), STAY.enter()]
LEFT = STAY.lines()[6]
END = BACK.lines()[6:]
LIVING = living(20)


def test_an_exit_that_is_read_twice_ends_a_stay_once() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold(merged(LIVING[:27], [*CAME, STAY.exit()]), state)
    over = state.stays
    assert fold([STAY.exit()], state) == []
    assert state.stays == over


def test_an_exit_after_a_second_arrival_whose_join_is_lost_is_of_a_stay_of_its_own() -> None:
    changes = fold(merged(LIVING, [*CAME, STAY.exit(), BACK.entering(), BACK.exit(), *END]))
    first, second = records(changes)
    assert (first.duration_us, first.reason, first.evidence) == (10 * SECOND, Reason.LEFT_ROOM, Evidence.MEASURED)
    # The join was within a second of APP_START, which is what the error bound says.
    assert (second.stay.identity.joined_us, second.error_bound_us) == (START + 16 * SECOND - 50, SECOND)
    assert (second.left_us, second.stay.bridge_id) == (BACK.left, "bridge-2")
    assert incidents(changes) == ["join_unseen"]


def test_the_exit_of_an_earlier_stay_read_again_ends_no_later_one() -> None:
    lines = merged(LIVING, [*CAME, STAY.exit(), BACK.entering(), BACK.enter(), BACK.exit(), *END])
    place = lines.index(BACK.exit())
    changes = fold([*lines[:place], STAY.exit(), *lines[place:]])
    assert [record.duration_us for record in records(changes)] == [10 * SECOND, 3 * SECOND]
    assert incidents(changes) == ["exit_without_join"]


def clock_set_back_then_heartbeats_missing() -> Fold:
    """Somebody is in a room. The clock was set back by 10 s since, and then ALIVE lines are missing for 2 s."""
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), *merged(LIVING, CAME)], state)
    fold([alive(START + 10 * SECOND, 40), alive(START + 12 * SECOND, 44)], state)
    [stay] = state.stays
    assert stay.deducted_us < 0
    return state


def test_where_the_clock_was_set_back_a_hole_may_hide_the_end_of_any_stay() -> None:
    """The hole and the join are on different clocks, so that they cannot be compared."""
    assert clock_set_back_then_heartbeats_missing().doubtful == {STAY.uniqueid}


def test_a_stay_before_a_hole_on_a_clock_that_was_set_back_is_not_charged_when_the_switch_dies() -> None:
    [record] = records(fold(booting(START + 500 * SECOND, "n-9.0"), clock_set_back_then_heartbeats_missing()))
    assert (record.duration_us, record.reason, record.evidence) == (0, Reason.SWITCH_LOST, Evidence.ESTIMATED)
    assert record.error_bound_us >= 19 * SECOND


def test_an_exit_out_of_another_bridge_after_such_a_hole_begins_a_stay_no_earlier_than_itself() -> None:
    at = START + 12 * SECOND + 200_000
    state = clock_set_back_then_heartbeats_missing()
    changes = fold([replace(BACK, left=at).exit(), *replace(BACK, left=at).lines()[6:]], state)
    first, second = records(changes)
    assert (first.duration_us, first.reason, first.evidence) == (0, Reason.LEFT_ROOM, Evidence.ESTIMATED)
    assert (second.stay.identity.joined_us, second.duration_us, second.stay.bridge_id) == (at, 0, "bridge-2")
    assert incidents(changes) == ["join_unseen", "exit_unseen"]


def test_a_stay_that_was_over_when_the_switch_died_keeps_its_end() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), *merged(LIVING, [*CAME, STAY.exit(), LEFT])], state)
    [record] = records(fold(booting(START + 500 * SECOND, "n-9.0"), state))
    assert (record.left_us, record.evidence, record.reason) == (STAY.left, Evidence.MEASURED, Reason.SWITCH_STOPPED)


def test_a_stay_that_was_over_keeps_its_end_when_the_daemon_finds_the_channel_gone() -> None:
    state = Fold("n", RTP_TIMEOUT)
    gone = word("ABSENT", START + 19 * SECOND, f"{STAY.uniqueid}:{STAY.left}")
    changes = fold(merged(LIVING, [*CAME, STAY.exit(), LEFT, gone]), state)
    [record] = records(changes)
    assert (record.left_us, record.evidence, record.reason) == (STAY.left, Evidence.MEASURED, Reason.SWITCH_STOPPED)
    assert incidents(changes) == ["stay_without_end"]
    assert (state.stays, state.calls) == ([], [])


def test_a_torn_exit_ends_a_stay_estimated_at_its_time() -> None:
    changes = fold([*merged(LIVING[:26], CAME), STAY.exit()[:-40], *LIVING[26:], *STAY.lines()[6:]])
    [record] = records(changes)
    assert (record.left_us, record.evidence, record.error_bound_us) == (STAY.left, Evidence.ESTIMATED, 0)
    assert (record.reason, incidents(changes)) == (Reason.HUNG_UP, ["torn_line"])


def test_a_torn_join_of_a_participant_without_a_call_begins_no_second_stay() -> None:
    """Its stay began by a whole line, which was stamped. The torn one names no owner, and may be an announcer's."""
    inside = replace(STAY, stamps=STAY.stamps | {"channame": "Local/s@guest-0001;2"})
    state = Fold("n", RTP_TIMEOUT)
    fold(merged(LIVING[:10], [inside.enter()]), state)
    [stay] = state.stays
    torn = line("BRIDGE_ENTER", START + 10 * BEAT, STAY.uniqueid)[:150]
    changes = fold([torn], state)
    assert (incidents(changes), len(changes)) == (["torn_line"], 1)
    assert (state.stays, state.calls, state.switch_state.entering) == ([stay], [], ())
