from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import ENDED, Fold
from bridge.domain.metering.records import Call, Evidence, OpenCall, OpenStay, Outcome, Reason
from tests.domain.metering.folding import RTP_TIMEOUT, calls, fold, incidents, merged, records, word
from tests.domain.metering.journals import (
    ACCOUNT,
    BEAT,
    ROOM,
    SECOND,
    START,
    SUB_ACCOUNT,
    CallLines,
    alive,
    boot,
    booting,
    line,
    living,
)

STAY = CallLines("n-7.1", START, START + 3 * SECOND, START + 63 * SECOND + 7)
LIVING = living(70)


def test_a_stay_becomes_one_measured_record() -> None:
    [record] = records(fold(merged(LIVING, STAY.lines())))
    assert record.duration_us == 60 * SECOND + 7
    assert (record.reason, record.evidence, record.error_bound_us) == (Reason.HUNG_UP, Evidence.MEASURED, 0)
    assert (record.stay.account_id, record.stay.sub_account_id, record.stay.room) == (ACCOUNT, SUB_ACCOUNT, ROOM)
    assert (record.stay.role, record.stay.caller, record.stay.access_number) == ("guest", "4930123456", "18005550100")


def test_a_stay_is_open_from_its_first_line_and_over_from_its_exit() -> None:
    state = Fold("n", RTP_TIMEOUT)
    [stay] = [change for change in fold([STAY.enter()], state) if isinstance(change, OpenStay)]
    assert stay.left_us is None
    [over] = fold([*LIVING[7:126], STAY.exit()], state)
    assert isinstance(over, OpenStay)
    assert over.left_us == STAY.left


@pytest.mark.parametrize(
    ("result", "cause", "source", "reason"),
    [
        ("HANGUP", 16, None, Reason.HUNG_UP),
        ("KICKED", 16, "dialplan/builtin", Reason.KICKED),
        ("ENDMARKED", 16, "dialplan/builtin", Reason.ENDED_BY_HOST),
        ("DTMF", 16, "dialplan/builtin", Reason.LEFT_ROOM),
        ("TIMEOUT", 16, "dialplan/builtin", Reason.LONGEST_STAY),
        ("HANGUP", 16, "", Reason.SWITCH_STOPPED),
        ("HANGUP", 31, "", Reason.DROPPED),
        ("HANGUP", 21, "", Reason.DISCONNECTED),
        ("HANGUP", 16, "dialplan/builtin", Reason.DROPPED),
    ],
)
def test_why_a_stay_ended(result: str, cause: int, source: str | None, reason: Reason) -> None:
    [record] = records(fold(merged(LIVING, replace(STAY, result=result, cause=cause, source=source).lines())))
    assert record.reason is reason
    assert record.evidence is Evidence.MEASURED


def test_dead_audio_ends_a_stay_where_the_audio_ended() -> None:
    left = START + 100 * SECOND
    [record] = records(fold(merged(living(102), replace(STAY, left=left, cause=44, source="").lines())))
    assert record.left_us == left - RTP_TIMEOUT - SECOND
    assert (record.reason, record.evidence) == (Reason.MEDIA_LOST, Evidence.ESTIMATED)
    assert record.error_bound_us == RTP_TIMEOUT + SECOND


def test_dead_audio_from_the_start_bills_nothing() -> None:
    [record] = records(fold(merged(LIVING, replace(STAY, cause=44, source="").lines())))
    assert record.duration_us <= 7


def test_an_exit_on_waking_from_a_freeze_ends_where_the_freeze_began() -> None:
    frozen_exit = replace(STAY, left=START + 70 * SECOND)
    [record] = records(fold(merged(living(60), frozen_exit.lines(), [alive(START + 71 * SECOND)])))
    assert record.left_us == START + 60 * SECOND - BEAT
    assert (record.evidence, record.error_bound_us) == (Evidence.ESTIMATED, 10 * SECOND + BEAT)


FROZE = START + 60 * SECOND - BEAT
WOKE = START + 80 * SECOND


@pytest.mark.parametrize("after", [0, SECOND, 3_900_000])
def test_a_hang_up_may_come_again_so_long_after_a_freeze(after: int) -> None:
    """A BYE is lost if the kernel's queue is full during the freeze. SIP repeats it within T2 (4 s)."""
    left = WOKE + after
    [record] = records(fold(merged(living(60), living(8, WOKE), replace(STAY, left=left).lines())))
    assert (record.left_us, record.evidence) == (FROZE, Evidence.ESTIMATED)
    assert record.error_bound_us == left - FROZE


def test_a_hang_up_later_than_that_is_measured_once_the_clock_has_been_told() -> None:
    left = WOKE + 4_600_000
    clocks = [alive(at, clock=(START, at - START + 1)) for at in (*range(START, FROZE, BEAT), FROZE)]
    clocks += [alive(WOKE + at, clock=(START, WOKE - START + at + 1)) for at in range(0, 8 * SECOND, BEAT)]
    [record] = records(fold(merged(clocks, replace(STAY, left=left).lines())))
    assert (record.left_us, record.evidence, record.error_bound_us) == (left, Evidence.MEASURED, 0)


def test_a_hang_up_later_than_that_is_without_the_freeze_where_nobody_tells_the_clock() -> None:
    left = WOKE + 4_600_000
    [record] = records(fold(merged(living(60), living(8, WOKE), replace(STAY, left=left).lines())))
    assert (record.left_us, record.evidence) == (left - (WOKE - FROZE), Evidence.ESTIMATED)
    assert record.error_bound_us == WOKE - FROZE


def test_audio_that_a_switch_finds_on_waking_is_of_before_its_freeze() -> None:
    """The BYE was given up while the switch was frozen, so that it took the caller for silent since it woke, and froze
    again before it gave them up."""
    silent = replace(STAY, left=WOKE + RTP_TIMEOUT + SECOND // 2, cause=44, source="")
    times = [START + beat * BEAT for beat in range(120)]
    times += [WOKE + beat * BEAT for beat in range(60)]
    times += [WOKE + 33 * SECOND + beat * BEAT for beat in range(100)]
    beating = [alive(at, beat, clock=(START, at - START + 1000)) for beat, at in enumerate(times)]
    [record] = records(fold(merged(beating, silent.lines())))
    assert (record.reason, record.evidence) == (Reason.MEDIA_LOST, Evidence.ESTIMATED)
    assert record.left_us == FROZE
    assert record.error_bound_us >= silent.left - FROZE


@pytest.mark.parametrize(
    ("asleep", "awake", "kept"), [(27, 10, True), (30, 10, False), (30, 60, False), (30, 62, True)]
)
def test_who_may_have_hung_up_in_a_long_freeze_is_charged_until_it_began_unless_heard_since(
    asleep: int, awake: int, kept: bool
) -> None:
    """A BYE is repeated for half a minute. Later, the switch takes a caller for gone who sends no audio."""
    woke = FROZE + asleep * SECOND
    left = woke + awake * SECOND
    times = [*(START + beat * BEAT for beat in range(120)), *(woke + beat * BEAT for beat in range(2 * awake + 1))]
    beats = [alive(at, beat, clock=(START, at - START + 1000)) for beat, at in enumerate(times)]
    for result, source in (("KICKED", ""), ("HANGUP", "")):
        put_out = replace(STAY, left=left, result=result, source=source)
        [record] = records(fold(merged(beats, put_out.lines())))
        assert record.left_us == (left if kept else FROZE)
    hangs_up = replace(STAY, left=left)
    [record] = records(fold(merged(beats, hangs_up.lines())))
    assert (record.left_us, record.evidence) == (left, Evidence.MEASURED)
    [record] = records(fold([*merged(beats, STAY.lines()[:5]), boot(left + 60 * SECOND, "n-2.0")]))
    assert (record.reason, record.left_us) == (Reason.SWITCH_LOST, left if kept else FROZE)


def test_a_freeze_that_other_lines_fall_into_is_none() -> None:
    other = CallLines("n-7.2", START + 60 * SECOND)
    frozen_exit = replace(STAY, left=START + 60 * SECOND + BEAT)
    [record] = records(fold(merged(living(60), frozen_exit.lines(), other.lines()[:3])))
    assert record.evidence is Evidence.MEASURED


def test_a_boot_ends_what_was_open_at_the_last_proof_of_life() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold(merged([boot(START - 1)], LIVING[:19], [STAY.lines()[1], STAY.enter()]), state)
    changes = fold(booting(START + 500 * SECOND, "n-9.0"), state)
    [record] = records(changes)
    assert record.left_us == START + 9 * SECOND
    assert (record.reason, record.evidence, record.error_bound_us) == (
        Reason.SWITCH_LOST,
        Evidence.ESTIMATED,
        SECOND,
    )
    [call] = calls(changes)
    assert (call.call.outcome, call.ended_us) == (Outcome.JOINED, START + 9 * SECOND)
    assert fold([boot(START + 500 * SECOND, "n-9.0")], state) == []


def test_lines_of_an_earlier_boot_that_are_read_again_without_a_beat_change_nothing() -> None:
    """Even of those who were in a room when the switch died, and so never ended; whoever is in one now stays there."""
    again = START + 500 * SECOND
    before = merged([boot(START - 1)], LIVING[:19], [*STAY.lines()[:3], STAY.entering(), STAY.enter()])
    now = CallLines("n-9.5", again + SECOND, again + 2 * SECOND, again + 6 * SECOND)
    beats = living(10, again, uniqueid="n-9.0")
    calm = [*before, *booting(again, "n-9.0"), *merged(beats, now.lines())]
    at = calm.index(beats[8]) + 1
    old = [line for line in before if b"ALIVE" not in line and b"BOOT" not in line]
    assert fold([*calm[:at], *old, *calm[at:]]) == fold(calm)


def test_a_clock_that_is_set_back_behind_the_boot_loses_no_line() -> None:
    back = START + 300 * SECOND
    state = Fold("n", RTP_TIMEOUT)
    fold([*booting(START + 500 * SECOND, "n-5.0"), alive(START + 500 * SECOND, 0, "n-5.0")], state)
    fold([*booting(START + 600 * SECOND, "n-9.0"), alive(START + 600 * SECOND, 0, "n-9.0")], state)
    stay = CallLines("n-3.5", back + 100_000, back + 200_000, back + 5 * SECOND)
    beats = [alive(back + (n - 1) * BEAT + 400_000, n, "n-9.0") for n in range(1, 14)]
    changes = fold(merged(stay.lines(), beats), state)
    [record] = records(changes)
    assert (record.stay.identity.joined_us, record.left_us) == (stay.joined, stay.left)


def test_an_exit_without_a_join_is_an_incident_and_no_record() -> None:
    changes = fold([STAY.exit(), *STAY.lines()[6:]])
    assert incidents(changes) == ["exit_without_join"]
    assert records(changes) == []


def test_an_exit_whose_join_is_lost_is_bounded_by_the_line_that_led_to_it() -> None:
    lines = [found for found in STAY.lines() if found != STAY.enter()]
    changes = fold(merged(LIVING, lines))
    [record] = records(changes)
    assert record.stay.identity.joined_us == STAY.joined - 50 + SECOND
    assert record.left_us == STAY.left
    assert (record.evidence, record.reason) == (Evidence.ESTIMATED, Reason.HUNG_UP)
    assert incidents(changes) == ["join_unseen"]
    [call] = calls(changes)
    assert call.call.outcome is Outcome.JOINED


def test_garbage_that_hid_a_join_bounds_it_by_the_next_beat() -> None:
    lost = (STAY.enter(), STAY.entering())
    lines = [found for found in merged(LIVING, STAY.lines()) if found not in lost]
    lines.insert(lines.index(STAY.lines()[2]) + 1, b"garbage")
    [record] = records(fold(lines))
    assert record.stay.identity.joined_us == START + BEAT
    assert record.error_bound_us == BEAT - 100


def test_a_join_without_an_exit_is_closed_by_the_hang_up_and_told() -> None:
    lines = [found for found in STAY.lines() if found != STAY.exit()]
    changes = fold(merged(LIVING, lines))
    [record] = records(changes)
    assert (record.evidence, record.error_bound_us) == (Evidence.ESTIMATED, SECOND // 2)
    assert record.left_us == STAY.left + 300 - SECOND // 2
    assert incidents(changes) == ["exit_unseen"]


def test_leaving_and_coming_back_makes_two_records() -> None:
    again = replace(STAY, joined=START + 64 * SECOND, left=START + 66 * SECOND, bridge="bridge-2")
    lines = [STAY.lines()[1], STAY.enter(), STAY.exit(), again.enter(), again.exit(), *again.lines()[6:]]
    found = records(fold(merged(LIVING, lines)))
    assert [record.duration_us for record in found] == [60 * SECOND + 7, 2 * SECOND]
    assert len({record.stay.identity.id for record in found}) == 2


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (CallLines("n-7.3", START), Outcome.ABANDONED),
        (CallLines("n-7.3", START, outcome="refused"), Outcome.REFUSED),
        (CallLines("n-7.3", START, answered_by="Answer"), Outcome.UNSERVED),
        (CallLines("n-7.3", START, answered_by="Answer", outcome="abandoned"), Outcome.ABANDONED),
        (CallLines("n-7.3", START, outcome="nonsense"), Outcome.ABANDONED),
        (STAY, Outcome.JOINED),
        (replace(STAY, outcome="abandoned"), Outcome.JOINED),
    ],
)
def test_what_became_of_a_call(call: CallLines, outcome: Outcome) -> None:
    [found] = calls(fold(merged(LIVING, call.lines())))
    assert found.call.outcome is outcome
    assert found.call.access_number == "18005550100"
    assert found.call.sip_call_id == "call-1@pbx"


def test_announcers_are_nobody() -> None:
    stamps = {"appname": "ConfBridge", "appdata": f"{ROOM},room,guest", "channame": "Local/s@announce-0001;2"}
    quiet = CallLines("n-7.4", START, START + SECOND, START + 2 * SECOND, stamps=stamps)
    assert records(fold(quiet.lines())) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        STAY.enter()[:200],
        STAY.enter()[:180] + STAY.enter(),
        STAY.enter().replace(b"1795435402", b"yesterday!"),
        STAY.enter().replace(b"n-7.1", b"n 7;1"),
        line("HANGUP", START, "n-7.9", {"hangupcause": "much"}),
        STAY.enter().replace(b'"PJSIP/trunk-n-7.1"', b"5"),
        b"x" * 5_000_000,
    ],
)
def test_garbage_is_told_and_changes_nothing(garbage: bytes) -> None:
    state = Fold("n", RTP_TIMEOUT)
    changes = fold([STAY.enter(), garbage, *LIVING[7:126], STAY.exit(), *STAY.lines()[6:]], state)
    assert {"garbage_line", "torn_line"} & set(incidents(changes))
    assert [record.duration_us for record in records(changes)] == [60 * SECOND + 7]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_whatever_stop_the_fold(lines: list[bytes]) -> None:
    assert records(fold(lines)) == []


def test_an_absent_caller_is_closed_where_they_were_seen_last() -> None:
    seen, said = STAY.joined + 20 * SECOND, STAY.joined + 40 * SECOND  # type: ignore[operator]
    changes = fold(merged(LIVING, STAY.lines()[:5], [word("ABSENT", said, f"{STAY.uniqueid}:{seen}")]))
    [record] = records(changes)
    assert (record.left_us, record.error_bound_us) == (seen, said - seen)
    assert (record.evidence, record.reason) == (Evidence.ESTIMATED, Reason.DROPPED)
    assert [call.call.uniqueid for call in calls(changes)] == [STAY.uniqueid]
    assert incidents(changes) == ["stay_without_end"]


def test_a_participant_whose_join_was_never_written_joined_by_when_they_were_seen() -> None:
    seen = STAY.joined + 10 * SECOND  # type: ignore[operator]
    lines = [found for found in STAY.lines() if found not in (STAY.entering(), STAY.enter())]
    [record] = records(fold(merged(LIVING, lines, [word("PRESENT", seen, f"{seen}:{STAY.uniqueid}")])))
    assert (record.stay.identity.joined_us, record.left_us) == (seen, STAY.left)
    assert record.evidence is Evidence.ESTIMATED


def test_beats_that_are_missing_leave_a_stay_in_doubt_until_it_is_seen_again() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold(merged([boot(START - 1)], LIVING[:10], LIVING[20:40], [STAY.lines()[1], STAY.enter()]), state)
    assert state.doubtful == {STAY.uniqueid}
    seen = START + 18 * SECOND
    fold([word("PRESENT", seen, f"{seen}:{STAY.uniqueid}"), *LIVING[40:50]], state)
    assert state.doubtful == frozenset()
    [record] = records(fold(booting(START + 500 * SECOND, "n-9.0"), state))
    # Without a word of the clock, the gap may have been a step of it.
    assert record.left_us == START + 49 * BEAT - 11 * BEAT


def test_a_clock_that_goes_forward_is_taken_off_and_a_freeze_is_not() -> None:
    def beats(first: int, last: int, step: int) -> list[bytes]:
        made = []
        for beat in range(first, last):
            at = START + beat * BEAT
            made.append(alive(at + step, beat, clock=(START + step, beat * BEAT + 1000)))
        return made

    for step, frozen in ((100 * SECOND, 0), (0, 40)):
        state = Fold("n", RTP_TIMEOUT)
        fold(merged([boot(START - 1)], beats(0, 20, 0), STAY.lines()[:5]), state)
        fold(beats(20 + frozen, 40 + frozen, step), state)
        left = START + (40 + frozen) * BEAT + step
        [record] = records(fold([replace(STAY, left=left).exit(), *replace(STAY, left=left).lines()[6:]], state))
        assert record.duration_us == left - step - STAY.joined  # type: ignore[operator]
        assert record.evidence is (Evidence.ESTIMATED if step else Evidence.MEASURED)


def test_a_line_of_a_time_to_come_leaves_nobody_in_doubt() -> None:
    state = Fold("n", RTP_TIMEOUT)
    stray = line("APP_END", START + 7000 * SECOND, "n-8.1")
    lines = merged([boot(START - 1)], LIVING, STAY.lines())
    place = lines.index(LIVING[40])
    [record] = records(fold([*lines[:place], stray, *lines[place:]], state))
    assert (record.duration_us, record.evidence) == (60 * SECOND + 7, Evidence.MEASURED)


def test_new_lines_right_behind_old_ones_are_taken_in_once_a_beat_shows_that_they_are_new() -> None:
    before = CallLines("n-1.7", START - 90 * SECOND, START - 80 * SECOND, START - 70 * SECOND)
    old = [boot(START - 100 * SECOND, "n-0.0"), alive(START - 99 * SECOND, 0, "n-0.0"), *before.lines()]
    lines = merged([boot(START - 1)], LIVING, STAY.lines())
    place = lines.index(STAY.enter())
    [first, record] = records(fold([*old, *lines[:place], *old, *lines[place:]]))
    assert first.stay.identity.uniqueid == "n-1.7"
    assert (record.duration_us, record.evidence) == (60 * SECOND + 7, Evidence.MEASURED)


@pytest.mark.parametrize("value", [5, None, [], {}, True])
def test_a_field_of_a_wrong_type_stops_nothing(value: object) -> None:
    for event in ("LEFT", "CALLED", "ENDED"):
        found = fold(
            [*STAY.lines()[:5], line(event, STAY.left + 1, STAY.uniqueid, {"extra": value}), *STAY.lines()[5:]]
        )  # type: ignore[operator]
        assert len(records(found)) == 1
    broken = line("HANGUP", STAY.left + 1, STAY.uniqueid, {"hangupcause": 16, "hangupsource": value})  # type: ignore[operator]
    assert len(records(fold([*STAY.lines()[:5], broken]))) == 1


def test_the_switch_itself_says_how_long_it_waited_for_audio() -> None:
    left = START + 400 * SECOND
    held = replace(STAY, left=left, cause=44, source="")
    lines = [found for found in held.lines() if b'"LEFT"' not in found[:40]]
    told = line("LEFT", left + 300, STAY.uniqueid, {"extra": "HANGUP:44:300"})
    [record] = records(fold(merged(living(405), lines, [told])))
    assert record.left_us == left - 301 * SECOND


def test_a_channel_that_is_there_is_of_this_boot_whatever_the_clock_says() -> None:
    """The clock goes back behind the boot's beginning, and forward again before the next beat."""
    old = [boot(START - 100 * SECOND, "n-0.0"), alive(START - 99 * SECOND, 0, "n-0.0")]
    joined = [boot(START - 1), *merged(living(5), STAY.lines()[:5])]
    away = replace(STAY, left=START - 60 * SECOND)
    beats = [alive(START + 20 * SECOND + beat * BEAT, 10 + beat) for beat in range(4)]
    [record] = records(fold([*old, *joined, *away.lines()[5:], *beats]))
    assert (record.stay.identity.uniqueid, record.evidence) == (STAY.uniqueid, Evidence.ESTIMATED)
    assert 0 <= record.duration_us <= 2 * SECOND


def test_a_hang_up_that_is_read_late_ends_a_stay_when_it_was() -> None:
    """The lines before the hang-up were lost, and the lines after it were read earlier."""
    late = [found for found in STAY.lines() if b'"HANGUP"' in found[:40]]
    [record] = records(fold([*merged(living(80), STAY.lines()[:5]), *late]))
    assert (record.evidence, record.duration_us <= 60 * SECOND + 7) == (Evidence.ESTIMATED, True)


def test_callers_who_came_after_the_clock_went_back_behind_the_boots_beginning_are_there() -> None:
    old = [boot(START - 100 * SECOND, "n-0.0"), alive(START - 99 * SECOND, 0, "n-0.0")]
    step = -6 * SECOND
    came = CallLines("n-7.2", START + 5 * SECOND + step, START + 5 * SECOND + step + 400_000, START + 9 * SECOND + step)
    after = [alive(START + beat * BEAT + step, beat) for beat in range(13, 40)]
    [record] = records(fold([*old, boot(START - 1), *living(5), *came.lines()[:5], *merged(after, came.lines()[5:])]))
    assert record.stay.identity.uniqueid == came.uniqueid


CALLED = STAY.lines()[1]


def test_alive_us_is_the_time_of_the_last_alive_line() -> None:
    state = Fold("n", RTP_TIMEOUT)
    assert state.alive_us == 0
    fold([boot(START - 1), *living(1), line("APP_END", START + 600_000, "n-8.1")], state)
    assert state.alive_us == START + BEAT


def test_a_line_that_may_have_been_read_before_is_held_until_a_beat_decides() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), *living(1)], state)
    assert state.held is None
    state.expect_replay()
    late = line("CALLED", START + 600_000, "n-7.1", {"extra": "18005550100:call-1@pbx"})
    assert fold([late], state) == []
    assert state.held == journal_line.parse(late)
    [call] = fold([alive(START + 2 * BEAT)], state)
    assert isinstance(call, OpenCall)
    assert (call.uniqueid, call.started_us) == ("n-7.1", START + 600_000)
    assert state.held is None


def test_in_a_journal_without_any_boot_there_is_nothing_to_replay() -> None:
    state = Fold("n", RTP_TIMEOUT)
    state.expect_replay()
    [call] = fold([CALLED], state)
    assert (isinstance(call, OpenCall), state.held) == (True, None)


def test_a_name_that_breaks_the_first_line_of_a_call_is_no_incident_and_hides_nothing() -> None:
    """CHAN_START is written before the dialplan cleans the name; a line break in it leaves garbage behind."""
    state = Fold("n", RTP_TIMEOUT)
    fold([*living(3), CALLED, STAY.enter()], state)
    torn = line("CHAN_START", START + 3 * SECOND, "n-7.2")[:150]
    assert fold([torn, b'Eve","exten":"join"}', b"more of it"], state) == []
    # A whole line ends that: garbage behind it is reported.
    assert incidents(fold([alive(START + 6 * BEAT), b"more of it"], state)) == ["garbage_line"]


def test_a_call_whose_hang_up_line_is_lost_ends_with_its_channel() -> None:
    lines = [found for found in STAY.lines() if b'"HANGUP",' not in found[:40]]
    changes = fold(merged(LIVING, lines))
    [call], [record] = calls(changes), records(changes)
    assert (call.ended_us, call.cause, call.evidence) == (STAY.left + 320, 0, Evidence.MEASURED)  # type: ignore[operator]
    # LEFT still says why: cause 16, and nothing of the caller's own channel.
    assert (record.left_us, record.reason) == (STAY.left, Reason.SWITCH_STOPPED)


def test_garbage_among_replayed_lines_is_no_incident() -> None:
    state = Fold("n", RTP_TIMEOUT)
    fold([boot(START - 1), *living(3), CALLED, STAY.enter()], state)
    assert fold([boot(START - 1), b"garbage", *living(3), b"garbage"], state) == []
    assert incidents(fold([alive(START + 6 * BEAT), b"garbage"], state)) == ["garbage_line"]


def test_a_torn_line_that_says_nothing_by_its_head_alone_is_an_incident_and_no_more() -> None:
    state = Fold("n", RTP_TIMEOUT)
    assert incidents(fold([CALLED, STAY.entering()[:-40]], state)) == ["torn_line"]
    assert (state.stays, state.switch_state.entering) == ([], ())


def test_of_too_many_channels_that_have_ended_the_earliest_is_forgotten() -> None:
    """Their lines change nothing when they are read again. So old a line is not read again."""
    others = [f"n-6.{number}" for number in range(ENDED - 1)]
    state = Fold("n", RTP_TIMEOUT, ended=(STAY.uniqueid, *others))
    assert fold([CALLED], state) == []
    ended = CallLines("n-7.2", START)
    assert [type(change) for change in fold([ended.lines()[1], ended.lines()[-1]], state)] == [OpenCall, Call]
    assert fold([ended.lines()[1]], state) == []
    assert [type(change) for change in fold([CALLED], state)] == [OpenCall]
