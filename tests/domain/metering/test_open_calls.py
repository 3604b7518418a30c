"""Calls of the journal: how they begin, and that lines which are not theirs change nothing."""

from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Evidence, OpenCall, Outcome, Reason
from tests.domain.metering.folding import RTP_TIMEOUT, calls, fold, incidents, records, word
from tests.domain.metering.journals import BEAT, SECOND, START, CallLines, alive, boot, boot_name, line, living

CALL = CallLines("n-7.1", START, START + 3 * SECOND, START + 8 * SECOND)
_, CALLED, ANSWERED = CALL.lines()[:3]


def test_a_call_begins_once_and_is_answered_once() -> None:
    state = Fold("n", RTP_TIMEOUT)
    [came] = fold([CALLED, CALLED], state)
    assert isinstance(came, OpenCall)
    assert (came.started_us, came.outcome, came.evidence) == (START + 100, Outcome.UNSERVED, Evidence.MEASURED)
    later = line("ANSWER", START + SECOND, CALL.uniqueid, appname="Stasis")
    [answered] = fold([ANSWERED, later], state)
    assert isinstance(answered, OpenCall)
    assert (answered.answered_us, answered.outcome) == (START + 200, Outcome.ABANDONED)


def test_a_call_whose_first_line_is_lost_begins_with_its_answer_estimated() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([ANSWERED], state)
    [call] = state.calls
    assert (call.started_us, call.answered_us, call.evidence) == (START + 200, START + 200, Evidence.ESTIMATED)


def test_an_answer_of_a_channel_that_is_no_trunks_is_no_call() -> None:
    assert fold([line("ANSWER", START, "n-7.4", channame="Local/s@announce-0001;2")]) == []


def test_the_absence_of_an_unknown_channel_changes_nothing() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([CALLED], state)
    assert fold([word("ABSENT", START + SECOND, "n-9.9:0")], state) == []
    assert [call.uniqueid for call in state.calls] == [CALL.uniqueid]


def test_calls_that_came_since_a_boot_whose_first_lines_are_lost_are_of_that_boot() -> None:
    """The disk was full as the switch began again, so that the first line to name the boot is an ALIVE."""
    began = START + 20 * SECOND
    new = CallLines("n-9.5", began + SECOND, began + 2 * SECOND, began + 5 * SECOND)
    coming = CallLines("n-9.6", began + SECOND, began + 2_400_000)
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), *living(5), CALLED, CALL.enter(), *new.lines()[1:4], new.enter()], state)
    fold([coming.lines()[1], coming.entering()], state)
    beats = [alive(began + count * BEAT, count, "n-9.0", began=began) for count in range(5, 11)]
    changes = fold([beats[0]], state)
    assert [record.stay.identity.uniqueid for record in records(changes)] == [CALL.uniqueid]
    assert [call.call.uniqueid for call in calls(changes)] == [CALL.uniqueid]
    name = boot_name("n-9.0", began)
    assert {call.uniqueid: call.boot for call in state.calls} == {"n-9.5": name, "n-9.6": name}
    assert {stay.identity.uniqueid: stay.boot for stay in state.stays} == {"n-9.5": name}
    assert [arrival.uniqueid for arrival in state.switch_state.entering] == ["n-9.6"]
    # The stay goes on to its own exit.
    changes = fold([*beats[1:], new.exit(), *new.lines()[6:]], state)
    [record] = records(changes)
    assert (record.left_us, record.reason) == (new.left, Reason.HUNG_UP)
    assert incidents(changes) == []
