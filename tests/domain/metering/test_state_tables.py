"""Rows of the fold's tables of states that no other test reaches."""

from dataclasses import replace

import pytest

from bridge.domain.metering import fold as folding
from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.journal_line import Alive, TornEvent, TornLine
from bridge.domain.metering.records import Call, Change, Evidence, Incident, MinuteRecord, Outcome, Reason
from bridge.domain.metering.switch_timeline import (
    PAST,
    ClockSteppedBack,
    GapsExplained,
    NoReplay,
    PossibleReplay,
    ReplayOf,
    SwitchState,
    SwitchTimeline,
)
from tests.domain.metering.journals import SECOND, START, CallLines, alive, boot, boot_name, line

STAY = CallLines("n-7.1", START, START + 3 * SECOND, START + 63 * SECOND)
CHAN_START, CALLED, ANSWER, APP_START, ENTER, EXIT, LEFT, *END = STAY.lines()
RTP_TIMEOUT = 60 * SECOND


def fold(lines: list[bytes], state: Fold | None = None) -> list[Change]:
    state = state or Fold("n", RTP_TIMEOUT)
    return [change for text in lines for fact in journal_line.read(text) for change in state.apply(fact)]


def records(changes: list[Change]) -> list[MinuteRecord]:
    return [change for change in changes if isinstance(change, MinuteRecord)]


def incidents(changes: list[Change]) -> list[str]:
    return [change.kind for change in changes if isinstance(change, Incident)]


def word(event: str, at: int, about: str) -> bytes:
    return line(event, at, "n-5.0", {"extra": about}, channame="Local/boot@heart-00000007;1")


# --- Lines --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("event", "meaning"),
    [
        ("CHAN_START", TornEvent.CALL_ARRIVED),
        ("BRIDGE_ENTER", TornEvent.JOINED),
        ("BRIDGE_EXIT", TornEvent.LEFT),
        ("HANGUP", TornEvent.CHANNEL_ENDED),
        ("CHAN_END", TornEvent.CHANNEL_ENDED),
        ("LINKEDID_END", TornEvent.OTHER),
        ("ANSWER", TornEvent.OTHER),
    ],
)
def test_a_torn_line_means_what_its_head_says(event: str, meaning: TornEvent) -> None:
    assert TornLine(START, "n-7.1", event).meaning is meaning


def test_a_torn_line_that_means_nothing_is_an_incident_alone() -> None:
    changes = fold([CHAN_START, CALLED, ANSWER[:-60]])
    assert incidents(changes) == ["torn_line"]
    assert len(changes) == 2  # the call, and the incident


def test_only_so_many_ended_channels_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "ENDED", 2)
    state = Fold("n", RTP_TIMEOUT)
    calls = [CallLines(f"n-7.{number}", START + number * 100_000) for number in range(3)]
    for call in calls:
        fold([call.lines()[1], call.lines()[-1]], state)
    assert fold([calls[2].lines()[1]], state) == []
    assert fold([calls[0].lines()[1]], state) != []


# --- Stays --------------------------------------------------------------------------------------------------------
def test_left_without_an_exit_ends_the_stay_and_only_the_first_left_counts() -> None:
    again = line("LEFT", STAY.left + 400, STAY.uniqueid, {"extra": "KICKED:16"})  # type: ignore[operator]
    state = Fold("n", RTP_TIMEOUT)
    changes = fold([CALLED, APP_START, ENTER, LEFT], state)
    assert incidents(changes) == ["exit_unseen"]
    assert fold([again], state) == []
    [record] = records(fold(END, state))
    assert record.reason is Reason.HUNG_UP


def test_a_stay_that_is_over_is_closed_by_absence_for_the_reason_that_is_known() -> None:
    left = START + 3 * SECOND + 500_000
    lines = replace(STAY, left=left, result="KICKED").lines()
    state = Fold("n", RTP_TIMEOUT)
    fold(lines[3:7], state)
    changes = fold([word("ABSENT", left + 9 * SECOND, f"{STAY.uniqueid}:0")], state)
    assert incidents(changes) == ["stay_without_end"]
    [record] = records(changes)
    assert (record.reason, record.left_us) == (Reason.KICKED, left)


def test_the_absence_of_an_unknown_channel_changes_nothing() -> None:
    assert fold([word("ABSENT", START, "n-7.9:0")]) == []


def test_lines_of_a_channel_without_a_stay_change_nothing() -> None:
    assert fold([LEFT]) == []
    assert fold([line("ENDED", START, "n-7.9", {"extra": "refused:call@pbx"})]) == []


def test_an_exit_of_another_bridge_with_nothing_hidden_leaves_the_stay_as_it_is() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([CALLED, APP_START, ENTER], state)
    changes = fold([replace(STAY, bridge="bridge-9", left=START + 4 * SECOND).exit()], state)
    assert incidents(changes) == ["exit_without_join"]
    assert state.inside == {STAY.uniqueid}


def test_an_older_join_that_is_read_again_does_not_say_why_the_newer_stay_ended() -> None:
    """Half an hour of journal came back: its first join of this channel is no sign that the caller left by a key."""
    first = replace(STAY, left=STAY.joined + SECOND)  # type: ignore[operator]
    again = replace(first, bridge="bridge-9", joined=first.left + SECOND, left=first.left + 3 * SECOND)  # type: ignore[operator]
    state = Fold("n", RTP_TIMEOUT)
    fold([CALLED, *first.lines()[3:6], *again.lines()[3:6]], state)
    [record] = records(fold([ENTER], state))
    assert (record.stay.bridge_id, record.reason, record.evidence) == ("bridge-9", Reason.DROPPED, Evidence.ESTIMATED)
    assert record.left_us == again.joined  # the audio may have ended a minute before the exit


# --- Calls --------------------------------------------------------------------------------------------------------
def test_a_call_whose_first_line_is_lost_is_estimated_and_its_outcome_may_change_until_it_joins() -> None:
    refused = CallLines("n-7.3", START, outcome="refused").lines()
    [call] = [change for change in fold(refused[2:]) if isinstance(change, Call)]
    assert (call.evidence, call.call.outcome) == (Evidence.ESTIMATED, Outcome.REFUSED)
    assert call.call.sip_call_id == "call-1@pbx"


def test_a_second_answer_changes_nothing() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([CALLED, ANSWER], state)
    assert fold([ANSWER], state) == []


# --- The timeline -------------------------------------------------------------------------------------------------
BOOT = boot_name("n-1.0")


def timeline(**fields: object) -> SwitchTimeline:
    return SwitchTimeline(SwitchState(BOOT, beat=5, alive_us=START, line_us=START, **fields))  # type: ignore[arg-type]


def heartbeat(at: int, count: int, clock: tuple[int, int] | None = None) -> Alive:
    [fact] = journal_line.read(alive(at, count, clock=clock))
    assert isinstance(fact, Alive)
    return fact


def test_a_replay_is_possible_then_known_and_over_with_the_next_heartbeat() -> None:
    switch = timeline()
    switch.expect_replay()
    assert switch.state((), ()).again == PossibleReplay()
    assert list(switch.heartbeat(heartbeat(START - SECOND, 3))) == []
    assert switch.state((), ()).again == ReplayOf(BOOT)
    list(switch.heartbeat(heartbeat(START + SECOND // 2, 6)))
    assert switch.state((), ()).again == NoReplay()


def test_in_a_journal_without_a_boot_there_is_nothing_to_replay() -> None:
    switch = SwitchTimeline(SwitchState())
    switch.expect_replay()
    assert not switch.is_replaying()


def test_a_boot_that_is_known_already_is_replayed() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), alive(START), boot(START - 1)], state)
    assert state.switch_state.again == ReplayOf(BOOT)


def test_of_too_many_hidden_spans_the_oldest_two_become_one() -> None:
    switch = timeline()
    for number in range(PAST + 1):
        switch.garbage_read(3000 if number == 0 else 10)
        list(switch.heartbeat(heartbeat(START + (number + 1) * SECOND // 2, 6 + number)))
    first, second, *_ = spans = switch.hidden_spans(START + 99 * SECOND)
    assert len(spans) == PAST
    assert (first.since_us, first.until_us, first.endings) == (START, START + SECOND, True)
    assert (second.since_us, second.endings) == (START + SECOND, False)


def test_a_reading_of_the_clock_shows_a_step_back_that_no_heartbeat_showed() -> None:
    switch = timeline()
    list(switch.heartbeat(heartbeat(START + SECOND // 2, 6, (START, SECOND // 2))))
    events = list(switch.heartbeat(heartbeat(START + SECOND, 7, (START - 200_000, SECOND))))
    assert events == [ClockSteppedBack(200_000, False)]


def test_a_reading_that_is_repeated_explains_nothing_and_a_new_one_explains_the_gap() -> None:
    switch = timeline()
    list(switch.heartbeat(heartbeat(START + SECOND // 2, 6, (START, SECOND // 2))))
    assert GapsExplained(0, False) not in list(switch.heartbeat(heartbeat(START + 9 * SECOND, 7, (START, SECOND // 2))))
    assert list(switch.heartbeat(heartbeat(START + 19 * SECOND // 2, 8, (START, 9 * SECOND)))) == [
        GapsExplained(0, False)
    ]
