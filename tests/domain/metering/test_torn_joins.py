"""Joins whose own line is torn or was never written: the stay begins all the same, once, and ends as any other.

Every journal is read twice: in one go, and by a fold that is made again from what was committed after each line.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.records import Change, Evidence, MinuteRecord, OpenStay, Reason
from tests.domain.metering.folding import RTP_TIMEOUT, incidents, records, word
from tests.domain.metering.journals import (
    ACCOUNT,
    HEART,
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

JOINED = START + 3 * SECOND
LEFT = START + 63 * SECOND + 7
STAY = CallLines("n-7.1", START, JOINED, LEFT)
CAME = [*STAY.lines()[:3], STAY.entering()]
WHOLE = STAY.enter()
TORN = WHOLE[:-40]
EXIT = STAY.exit()
END = STAY.lines()[6:]
FULL_AT = START + 33 * SECOND


def folded(lines: Sequence[bytes]) -> tuple[list[Change], Fold]:
    whole, pieces = Fold("n", RTP_TIMEOUT), Fold("n", RTP_TIMEOUT)
    changes: list[Change] = []
    again: list[Change] = []
    for text in lines:
        for fact in journal_line.read(text):
            changes += whole.apply(fact)
            again += pieces.apply(fact)
        pieces = Fold("n", RTP_TIMEOUT, pieces.switch_state, pieces.calls, pieces.stays, tuple(pieces._ended))
    assert again == changes
    assert (pieces.switch_state, pieces.calls, pieces.stays) == (whole.switch_state, whole.calls, whole.stays)
    return changes, whole


def until(at: int, lines: Sequence[bytes], since: int = START) -> list[bytes]:
    """These lines, and a heart that beats beside them up to `at`: torn lines have their place by their head."""
    beats = [found for found in living(100) if since <= _at(found) < at]
    return sorted([*beats, *lines], key=_at)


def _at(text: bytes) -> int:
    [fact] = journal_line.read(text)
    assert isinstance(fact, journal_line.Fact)
    return fact.at


def assert_whose(record: MinuteRecord) -> None:
    stay = record.stay
    assert (stay.account_id, stay.sub_account_id, stay.room, stay.role) == (ACCOUNT, SUB_ACCOUNT, ROOM, "guest")
    assert (stay.caller, stay.access_number) == ("4930123456", "18005550100")
    assert record.evidence is Evidence.ESTIMATED


def test_a_torn_join_is_open_at_once_and_known_by_whom() -> None:
    changes, state = folded(until(START + 10 * SECOND, [*CAME, TORN]))
    [stay] = state.stays
    assert state.inside == {"n-7.1"}
    assert (stay.identity.joined_us, stay.identity.bridge_id, stay.error_bound_us) == (JOINED, "", 0)
    assert (stay.account_id, stay.room, stay.left_us) == (ACCOUNT, ROOM, None)
    assert incidents(changes) == ["torn_line"]


def test_a_torn_join_ends_with_its_exit_which_tells_the_bridge() -> None:
    changes, state = folded(until(START + 70 * SECOND, [*CAME, TORN, EXIT, *END]))
    [record] = records(changes)
    assert_whose(record)
    assert (record.duration_us, record.error_bound_us, record.reason) == (LEFT - JOINED, 0, Reason.HUNG_UP)
    assert record.stay.identity.bridge_id == ""
    [measured] = records(folded(until(START + 70 * SECOND, STAY.lines()))[0])
    assert record.stay.conference_id == measured.stay.conference_id
    assert not state.stays


def test_a_torn_join_with_a_hang_up_alone_ends_by_it() -> None:
    [record] = records(folded(until(START + 70 * SECOND, [*CAME, TORN, *END]))[0])
    assert_whose(record)
    assert LEFT - SECOND < record.left_us < LEFT
    assert record.left_us + record.error_bound_us >= LEFT


@pytest.mark.parametrize("seen", [0, FULL_AT - 2 * SECOND, FULL_AT + 4 * SECOND])
def test_a_torn_join_whose_end_a_full_disk_took_ends_where_the_caller_was_seen_last(seen: int) -> None:
    """As it was found: full for seven seconds, in which the caller hung up."""
    said = FULL_AT + 22 * SECOND
    lines = until(FULL_AT, [*CAME, TORN])
    lines += [*until(said, [], FULL_AT + 7 * SECOND), word("ABSENT", said, f"n-7.1:{seen}")]
    changes, state = folded(lines)
    [record] = records(changes)
    assert_whose(record)
    # Nobody has told of the clock: the gap may have been a step of it.
    assert record.left_us <= max(JOINED, seen)
    assert record.left_us >= max(JOINED, seen - 8 * SECOND)
    assert record.left_us + record.error_bound_us >= FULL_AT + 7 * SECOND
    assert record.reason is Reason.DROPPED
    assert not state.stays
    assert not state.waiting
    assert "stay_without_end" in incidents(changes)


def test_a_torn_join_ends_with_the_switch() -> None:
    lines = [boot(START - 1), *until(START + 33 * SECOND, [*CAME, TORN]), *booting(START + 500 * SECOND, "n-9.0")]
    [record] = records(folded(lines)[0])
    assert_whose(record)
    assert (record.left_us, record.error_bound_us) == (START + 33 * SECOND - SECOND // 2, SECOND)
    assert record.reason is Reason.SWITCH_LOST


def test_a_torn_join_before_a_hole_and_a_death_ends_before_the_hole() -> None:
    lines = [boot(START - 1), *until(FULL_AT, [*CAME, TORN])]
    lines += [*until(FULL_AT + 12 * SECOND, [], FULL_AT + 7 * SECOND), *booting(START + 500 * SECOND, "n-9.0")]
    [record] = records(folded(lines)[0])
    assert record.left_us <= FULL_AT
    assert record.left_us + record.error_bound_us >= FULL_AT + 11 * SECOND


def test_a_join_that_nobody_wrote_begins_when_the_daemon_sees_it() -> None:
    seen = JOINED + 15 * SECOND
    lines = [*CAME, word("PRESENT", seen, f"{seen - 50_000}:n-7.1")]
    changes, state = folded(until(START + 30 * SECOND, lines))
    [stay] = state.stays
    # APP_START bounds it, however late it was seen.
    assert stay.identity.joined_us == JOINED - 50 + SECOND
    assert (stay.error_bound_us, stay.seen_us, stay.account_id) == (SECOND, seen - 50_000, ACCOUNT)
    assert incidents(changes) == ["join_unseen"]
    [record] = records(folded(until(START + 70 * SECOND, [*lines, EXIT, *END]))[0])
    assert_whose(record)
    assert record.duration_us == LEFT - stay.identity.joined_us


def test_a_caller_of_whom_only_the_call_is_known_is_in_from_when_seen_and_the_exit_tells_whose_it_is() -> None:
    seen = JOINED + 15 * SECOND
    lines = [*STAY.lines()[:3], word("PRESENT", seen, f"{seen}:n-7.1")]
    [stay] = folded(until(START + 30 * SECOND, lines))[1].stays
    assert (stay.identity.joined_us, stay.account_id, stay.channel) == (seen, "", "PJSIP/trunk-n-7.1")
    [record] = records(folded(until(START + 70 * SECOND, [*lines, EXIT, *END]))[0])
    assert_whose(record)
    assert record.duration_us == LEFT - seen


def test_who_is_seen_in_a_room_and_is_no_caller_is_nobody() -> None:
    torn = line("BRIDGE_ENTER", JOINED, "n-7.8", channame="Local/s@announce-0001;2")[:200]
    lines = [torn, word("PRESENT", JOINED + SECOND, f"{JOINED}:n-7.8:n-7.9")]
    changes, state = folded(until(START + 30 * SECOND, lines))
    assert not records(changes)
    assert not state.stays


def test_a_room_that_does_not_take_a_caller_begins_no_stay() -> None:
    changes, state = folded(until(START + 70 * SECOND, [*CAME, *replace(STAY, result="FAILED").lines()[6:]]))
    assert not records(changes)
    assert not state.stays


@pytest.mark.parametrize("again", [[WHOLE], [CAME[3], WHOLE], [TORN], [CAME[3], TORN, WHOLE, WHOLE]])
@pytest.mark.parametrize("place", [0, 1, 30])
def test_the_line_of_a_torn_join_read_again_begins_no_second_stay(again: list[bytes], place: int) -> None:
    """It is read again complete, from a copy of the journal, or torn as before."""
    lines = until(START + 70 * SECOND, [*CAME, TORN, EXIT, *END])
    torn = lines.index(TORN) + 1 + place
    [record] = records(folded([*lines[:torn], *again, *lines[torn:]])[0])
    assert_whose(record)
    assert record.duration_us == LEFT - JOINED


def test_the_line_of_a_stay_that_was_only_seen_read_again_begins_no_second_stay() -> None:
    seen = JOINED + 15 * SECOND
    lines = until(START + 70 * SECOND, [*CAME, word("PRESENT", seen, f"{seen}:n-7.1"), EXIT, *END])
    place = lines.index(EXIT) - 5
    [record] = records(folded([*lines[:place], WHOLE, *lines[place:]])[0])
    assert record.duration_us == LEFT - (JOINED - 50 + SECOND)


def test_a_journal_read_again_from_its_beginning_makes_the_same_rows() -> None:
    lines = [boot(START - 1), *until(START + 70 * SECOND, [*CAME, TORN, EXIT, *END])]
    healed = [WHOLE if found == TORN else found for found in lines]
    once = records(folded(lines)[0])
    assert records(folded([*lines, *lines])[0]) == once
    assert records(folded([*lines, *healed])[0]) == once
    assert records(folded([*lines[:60], *healed, *lines[60:]])[0]) == once


def test_who_comes_back_by_a_torn_line_has_two_stays() -> None:
    back = replace(STAY, joined=START + 64 * SECOND, left=START + 66 * SECOND, bridge="bridge-2")
    lines = [*CAME, WHOLE, EXIT, back.entering(), back.enter()[:-40], back.exit(), *back.lines()[6:]]
    first, second = records(folded(until(START + 70 * SECOND, lines))[0])
    assert (first.duration_us, first.evidence) == (LEFT - JOINED, Evidence.MEASURED)
    assert (second.duration_us, second.evidence) == (2 * SECOND, Evidence.ESTIMATED)


def test_who_comes_back_unseen_has_two_stays_once_they_are_seen() -> None:
    back = replace(STAY, joined=START + 64 * SECOND, left=START + 68 * SECOND, bridge="bridge-2")
    early = word("PRESENT", START + 63 * SECOND + 500_000, f"{START + 62 * SECOND}:n-7.1")
    seen = word("PRESENT", START + 66 * SECOND, f"{START + 66 * SECOND}:n-7.1")
    lines = [*CAME, WHOLE, EXIT, early, back.entering(), seen, back.exit(), *back.lines()[6:]]
    first, second = records(folded(until(START + 70 * SECOND, lines))[0])
    assert first.duration_us == LEFT - JOINED
    assert second.duration_us == 3 * SECOND + 50


def test_an_exit_out_of_another_bridge_after_a_hole_is_of_another_stay() -> None:
    """A full disk lost the exit and the join in between."""
    back = replace(STAY, joined=FULL_AT + 5 * SECOND, left=FULL_AT + 20 * SECOND, bridge="bridge-2")
    lines = until(FULL_AT, [*CAME, WHOLE])
    lines += until(START + 70 * SECOND, [back.exit(), *back.lines()[6:]], FULL_AT + 7 * SECOND)
    first, second = records(folded(lines)[0])
    assert first.left_us <= FULL_AT
    assert second.duration_us <= 13 * SECOND
    assert second.stay.bridge_id == "bridge-2"


def test_a_torn_join_tells_nothing_of_a_stay_that_ended_and_of_no_later_boot() -> None:
    lines = [boot(START - 1), *until(START + 70 * SECOND, STAY.lines()), TORN]
    lines += [*booting(START + 500 * SECOND, "n-9.0"), TORN, alive(START + 501 * SECOND, 0, "n-9.0")]
    changes, state = folded([*lines, line("BOOT", START + 900 * SECOND, "n-9.9", {"extra": "n-9.9:2"}, channame=HEART)])
    assert len(records(changes)) == 1
    assert not state.stays


def test_a_torn_exit_of_an_earlier_stay_ends_no_later_one() -> None:
    back = replace(STAY, joined=START + 64 * SECOND, left=START + 69 * SECOND, bridge="bridge-2")
    lines = [*CAME, WHOLE, EXIT, back.entering(), back.enter(), back.exit(), *back.lines()[6:]]
    merged = until(START + 70 * SECOND, lines)
    place = merged.index(back.enter()) + 4
    found = records(folded([*merged[:place], EXIT[:-40], *merged[place:]])[0])
    assert [record.duration_us for record in found] == [LEFT - JOINED, 5 * SECOND]


def test_a_stay_that_is_open_is_told_as_changes_with_one_identity() -> None:
    changes, _ = folded(until(START + 70 * SECOND, [*CAME, TORN, EXIT, *END]))
    told = {change.identity for change in changes if isinstance(change, OpenStay)}
    assert told == {record.stay.identity for record in records(changes)}
