"""The journal against the ledger, as values: what agrees is silent, what differs is told once, in any order."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.metering import verification
from bridge.domain.metering.records import Call, Evidence, Identity, MinuteRecord, OpenCall, OpenStay, Reason
from bridge.domain.metering.verification import (
    MARGIN_US,
    Comparison,
    EntryKind,
    JournalCoverage,
    JournalEntry,
    LedgerEntry,
    Span,
    Verdict,
    Verification,
)

SECOND = 1_000_000
HOUR = 3600 * SECOND
START = 1_795_435_399 * SECOND
WHOLE = JournalCoverage(START - 100 * HOUR, START + 100 * HOUR)
ALL = Span()


def stay(number: int = 1, at: int = START) -> OpenStay:
    identity = Identity("n", f"n-1.{number}", "b-1", at)
    return OpenStay(identity, "n-1.0", "r", "a", "s", "p", "guest", "", "PJSIP/t", "49301", "1800")


def record(number: int = 1, at: int = START, seconds: int = 60) -> MinuteRecord:
    left = at + seconds * SECOND
    return MinuteRecord(replace(stay(number, at), left_us=left), left, Reason.HUNG_UP, Evidence.MEASURED, 0)


def call(number: int = 1, at: int = START, seconds: int = 90) -> Call:
    came = OpenCall("n", "n-1.0", f"n-1.{number}", "PJSIP/t", "49301", "1800", "id@pbx", at)
    return Call(came, at + seconds * SECOND, 16, Evidence.MEASURED)


def kept(told: MinuteRecord | Call, row: int = 0, **changed: verification.Value) -> LedgerEntry:
    """A row that says the same but for what is changed; `row` is its id when it is a correction."""
    root = verification.root_of(told)
    fields = verification.fields_of(told) | changed
    at, end = (fields[name] for name in (("joined_at", "left_at") if len(fields) > 10 else ("started_at", "ended_at")))
    assert isinstance(at, int)
    assert isinstance(end, int)
    if isinstance(told, MinuteRecord):
        identity = told.stay.identity
        key: tuple[str, ...] = (identity.node, identity.uniqueid, told.stay.bridge_id)
        kind = EntryKind.STAY
    else:
        key, kind = (told.call.node, told.call.uniqueid), EntryKind.CALL
    return LedgerEntry(kind, UUID(int=row) if row else root, root, key, at, end, fields)


def held(told: OpenStay) -> LedgerEntry:
    identity = told.identity
    key = (identity.node, identity.uniqueid, told.bridge_id)
    return LedgerEntry(EntryKind.STAY, identity.id, identity.id, key, identity.joined_us, None, {}, open=True)


def compared(
    journal: Sequence[MinuteRecord | Call],
    ledger: Sequence[LedgerEntry],
    going: Sequence[JournalEntry] = (),
    open_rows: Sequence[LedgerEntry] = (),
    extent: JournalCoverage = WHOLE,
    span: Span = ALL,
) -> Verification:
    comparison = Comparison(span)
    for told in journal:
        comparison.journal(told)
    for row in ledger:
        comparison.ledger(row)
    return comparison.finish(going, open_rows, extent, 0)


def verdicts(found: Verification) -> list[Verdict]:
    return [one.verdict for one in found.differences]


@given(st.lists(st.integers(0, 50), unique=True), st.randoms())
def test_what_is_the_same_is_the_same_in_any_order(numbers: list[int], order: st.DataObject) -> None:
    told: list[MinuteRecord | Call] = [record(number, START + number % 3) for number in numbers]
    told += [call(number) for number in numbers]
    feed: list[MinuteRecord | Call | LedgerEntry] = [*told, *map(kept, told)]
    order.shuffle(feed)  # type: ignore[attr-defined]
    comparison = Comparison(ALL)
    for one in feed:
        if isinstance(one, LedgerEntry):
            comparison.ledger(one)
        else:
            comparison.journal(one)
    found = comparison.finish((), (), WHOLE, 0)
    assert (found.agreed, found.stays, found.calls, found.uncovered) == (True, len(numbers), len(numbers), 0)


def test_what_only_one_side_has() -> None:
    found = compared([record(1), call(1)], [kept(record(2))])
    assert sorted(verdicts(found)) == [Verdict.MISSING, Verdict.MISSING, Verdict.NOT_IN_JOURNAL]
    assert all(not one.unmendable for one in found.differences)
    [alone] = compared([], [kept(call(2))]).differences
    assert alone.unmendable


@pytest.mark.parametrize("name", sorted(set(verification.fields_of(record())) - {"joined_at"}))
def test_every_field_is_compared(name: str) -> None:
    [one] = compared([record()], [kept(record(), **{name: 1})]).differences
    assert (one.verdict, [field.name for field in one.fields], one.fields[0].ledger) == (Verdict.DIFFERS, [name], 1)


def test_a_correction_stands_for_the_record_it_goes_back_to() -> None:
    assert compared([record()], [kept(record(), row=7)]).agreed
    [one] = compared([record()], [kept(record(), row=7, duration_us=5)]).differences
    assert (one.verdict, one.id) == (Verdict.DIFFERS, UUID(int=7))


def test_a_second_row_of_the_same_stay_is_one_too_many() -> None:
    found = compared([record()], [kept(record(), row=7), kept(record(), row=8)])
    assert [(one.verdict, one.id) for one in found.differences] == [(Verdict.NOT_IN_JOURNAL, UUID(int=8))]


def test_another_joining_time_is_the_nearest_stay_of_the_channel() -> None:
    far, near = record(1, START + HOUR), record(1, START + 2 * SECOND)
    row = kept(record(1))
    found = compared([far, near], [kept(far), row])
    [one] = found.differences
    assert (one.verdict, one.journal, one.ledger) == (Verdict.DIFFERS, near, row)
    assert "joined_at" in {field.name for field in one.fields}


def unnamed(stay: OpenStay, exit_bridge_id: str = "") -> OpenStay:
    """The same, with the line of its join torn."""
    return replace(stay, identity=replace(stay.identity, bridge_id=""), exit_bridge_id=exit_bridge_id)


@pytest.mark.parametrize("told_by_exit", ["", "b-1"])
def test_a_stay_whose_join_one_side_knows_torn_is_the_same_stay(told_by_exit: str) -> None:
    whole = record()
    torn = replace(whole, stay=unnamed(whole.stay, told_by_exit))
    assert compared([torn], [kept(whole)]).agreed
    assert compared([whole], [kept(torn)]).agreed
    [one] = compared([torn], [kept(whole, duration_us=5)]).differences
    assert one.verdict is Verdict.DIFFERS


def test_a_torn_join_in_another_bridge_is_another_stay() -> None:
    other = replace(record(), stay=unnamed(record().stay, "b-2"))
    assert sorted(verdicts(compared([other], [kept(record())]))) == [Verdict.MISSING, Verdict.NOT_IN_JOURNAL]


def test_an_open_stay_whose_join_one_side_knows_torn_is_the_same_stay() -> None:
    for here, there in ((stay(), unnamed(stay())), (unnamed(stay()), stay())):
        assert compared([], [], [here], [held(there)]).agreed
    assert compared([], [kept(record())], [unnamed(stay())], [held(stay())]).agreed


def test_what_was_corrected_to_nothing_agrees_with_a_journal_that_has_nothing() -> None:
    nothing = kept(record(), row=7, left_reason="not_in_journal", left_at=START, duration_us=0)
    assert compared([], [nothing]).agreed
    assert verdicts(compared([record()], [nothing])) == [Verdict.DIFFERS]


@pytest.mark.parametrize(
    "extent",
    [
        JournalCoverage(START + 1, START + HOUR),
        JournalCoverage(START - 1, START + HOUR, ((START + 59 * SECOND, START + 61 * SECOND),)),
    ],
)
def test_where_the_journal_is_not_whole_nothing_is_said_of_what_only_the_ledger_has(extent: JournalCoverage) -> None:
    found = compared([], [kept(record())], extent=extent)
    assert (found.agreed, found.uncovered) == (True, 1)


def test_what_began_just_before_the_end_may_have_been_committed_since() -> None:
    found = compared([], [kept(record(1, START))], extent=JournalCoverage(START - HOUR, START + 30 * SECOND))
    assert (found.agreed, found.uncovered) == (True, 0)


def test_open_stays() -> None:
    going = stay()
    assert compared([], [], [going], [held(going)]).agreed
    # Closed since the journal was read.
    assert compared([], [kept(record())], [going], [held(going)]).agreed
    assert verdicts(compared([], [], [going])) == [Verdict.MISSING]
    [early] = compared([], [kept(record())], [going]).differences
    assert (early.verdict, bool(early.unmendable)) == (Verdict.OPEN_IN_JOURNAL, True)
    [late] = compared([record()], [], [], [held(going)]).differences
    assert (late.verdict, late.journal) == (Verdict.OPEN_IN_LEDGER, record())
    [ghost] = compared([record()], [kept(record())], [], [held(going)]).differences
    assert (ghost.verdict, ghost.journal) == (Verdict.OPEN_IN_LEDGER, None)
    unknown = compared([], [], [], [held(going)], JournalCoverage(START + 1, START + HOUR))
    assert unknown.agreed


def test_only_the_period_is_told_and_its_edges_find_their_other_half() -> None:
    span = Span(START, START + HOUR)
    outside = [record(2, START - 1), record(3, START + HOUR)]
    assert compared(outside, [], span=span).agreed
    late = record(1, START)
    [one] = compared([late], [kept(late, joined_at=START - SECOND)], span=span).differences
    assert one.verdict is Verdict.DIFFERS


def test_text_is_compared_as_the_ledger_can_hold_it() -> None:
    told = replace(record(), stay=replace(record().stay, caller="\x00\ud800"))
    assert compared([told], [kept(record(), caller="\ufffd?")]).agreed


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair)))))
def test_holes_are_merged(holes: list[tuple[int, int]]) -> None:
    found = list(verification.merged(holes))
    assert all(first[1] < second[0] for first, second in itertools.pairwise(found))
    for point in range(60):
        inside = any(since <= point <= until for since, until in holes)
        assert any(since <= point <= until for since, until in found) == inside


def test_holes_that_overlap_or_touch_are_one() -> None:
    assert list(verification.merged([])) == []
    assert list(verification.merged([(5, 6), (0, 2), (1, 1), (2, 3)])) == [(0, 3), (5, 6)]


def test_an_entry_far_outside_the_period_is_no_half_of_one_inside() -> None:
    span = Span(START, START + HOUR)
    row = kept(record(1, START))
    assert verdicts(compared([record(1, START - MARGIN_US)], [row], span=span)) == [Verdict.DIFFERS]
    assert verdicts(compared([record(1, START - MARGIN_US - 1)], [row], span=span)) == [Verdict.NOT_IN_JOURNAL]


def test_a_second_row_is_one_too_many_also_if_the_ledger_is_read_first() -> None:
    comparison = Comparison(ALL)
    for row in (7, 8):
        comparison.ledger(kept(record(), row=row))
    comparison.journal(record())
    found = comparison.finish((), (), WHOLE, 0)
    assert [(one.verdict, one.id) for one in found.differences] == [(Verdict.NOT_IN_JOURNAL, UUID(int=8))]


def test_of_two_rows_near_an_entry_the_nearer_is_its_other_half_and_the_other_has_none() -> None:
    here, near, far = record(1, START + 3 * SECOND), kept(record(1, START + 2 * SECOND)), kept(record(1, START))
    found = compared([here], [far, near])
    assert [(one.verdict, one.journal, one.ledger) for one in found.differences] == [
        (Verdict.NOT_IN_JOURNAL, None, far),
        (Verdict.DIFFERS, here, near),
    ]


def test_an_entry_in_whose_middle_the_journal_begins_is_taken_as_the_ledger_has_it() -> None:
    extent = JournalCoverage(START + SECOND, START + HOUR)
    assert compared([record(1, START + 2 * SECOND)], [kept(record(1, START))], extent=extent).agreed


def held_call(told: OpenCall) -> LedgerEntry:
    return LedgerEntry(
        EntryKind.CALL, told.id, told.id, (told.node, told.uniqueid), told.started_us, None, {}, open=True
    )


def test_open_calls() -> None:
    going, other = call(1).call, call(2).call
    found = compared([], [], [going], [held_call(going)])
    assert (found.agreed, found.stays, found.calls) == (True, 0, 1)
    [missing] = compared([], [], [going]).differences
    assert (missing.verdict, missing.kind, missing.id) == (Verdict.MISSING, EntryKind.CALL, going.id)
    assert missing.at_us == START
    [early] = compared([], [kept(call(1))], [going]).differences
    assert (early.verdict, bool(early.unmendable)) == (Verdict.OPEN_IN_JOURNAL, True)
    found = compared([], [], [going], [held_call(other)])
    assert sorted(verdicts(found)) == [Verdict.MISSING, Verdict.OPEN_IN_LEDGER]
