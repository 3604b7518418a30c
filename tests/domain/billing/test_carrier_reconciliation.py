"""Comparison of a carrier's calls with ours."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import phone
from bridge.domain.billing import carrier_reconciliation
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall
from bridge.domain.billing.carrier_reconciliation import CallField, Reconciliation, ReconciliationTerms, reconcile
from tests.domain.billing.carrier_books import (
    MINUTE,
    NUMBERS,
    SECOND,
    START,
    TERMS,
    carrier_calls,
    copied,
    own,
    own_calls,
    theirs,
)

ALL = replace(TERMS, unanswered=True)


def pairs(found: Reconciliation) -> list[tuple[int, str]]:
    return [(one.carrier.line, one.own.uniqueid) for one in found.matched]


# --- Properties ---------------------------------------------------------------------------------------------------
@given(own_calls())
def test_a_file_of_our_own_calls_agrees(calls: list[OwnCall]) -> None:
    found = reconcile(copied(calls), calls, ALL)
    assert found.agreed
    assert len(found.matched) == len(calls)
    assert all((one.start_us, one.duration_us, one.fields) == (0, 0, frozenset()) for one in found.matched)
    assert found.carrier == found.own
    assert found.clock_offset_us == (0 if calls else None)


@given(own_calls(apart_us=3 * SECOND), st.data())
def test_noise_below_tolerance_changes_nothing(calls: list[OwnCall], data: st.DataObject) -> None:
    def noisy(call: CarrierCall) -> CarrierCall:
        noise = st.integers(-SECOND // 2, SECOND // 2)
        return replace(
            call,
            at_us=call.at_us + data.draw(noise),
            duration_us=max(0, (call.duration_us or 0) + data.draw(noise)),
            caller=data.draw(st.sampled_from(["", "00", "+"])) + call.caller.lstrip("+0"),
        )

    clean, found = (reconcile(file, calls, ALL) for file in (copied(calls), [*map(noisy, copied(calls))]))
    assert found.agreed
    assert pairs(found) == pairs(clean)
    assert abs(found.clock_offset_us or 0) <= SECOND // 2


@given(own_calls(), carrier_calls(), st.randoms(use_true_random=False))
def test_the_order_of_neither_side_matters(calls: list[OwnCall], file: list[CarrierCall], chance: object) -> None:
    def said(found: Reconciliation) -> object:
        return (
            Counter((replace(one.carrier, line=0), one.own, one.fields) for one in found.matched),
            Counter(replace(call, line=0) for call in found.only_carrier),
            found.only_own,
            found.clock_offset_us,
        )

    first = reconcile(file, calls, ALL)
    shuffled = [replace(call, line=line) for line, call in enumerate(_shuffled(file, chance))]
    assert said(reconcile(shuffled, _shuffled(calls, chance), ALL)) == said(first)
    assert reconcile(_shuffled(file, chance), _shuffled(calls, chance), ALL) == first


@given(own_calls(), carrier_calls())
def test_every_call_is_told_once_and_sums_add_up(calls: list[OwnCall], file: list[CarrierCall]) -> None:
    found = reconcile(file, calls, ALL)
    lines = [one.carrier.line for one in found.matched] + [call.line for call in found.only_carrier]
    ids = [one.own.id for one in found.matched] + [call.id for call in found.only_own]
    assert sorted(lines) == sorted(call.line for call in file)
    assert sorted(ids) == sorted(call.id for call in calls)
    assert (found.carrier.calls, found.own.calls) == (len(file), len(calls))
    assert found.carrier.duration_us == sum(call.duration_us or 0 for call in file)
    assert found.own.duration_us == sum(call.duration_us or 0 for call in calls)
    if all(call.duration_us is not None for call in file):
        ours = sum(call.duration_us or 0 for call in found.only_own)
        only = sum(call.duration_us or 0 for call in found.only_carrier)
        assert found.carrier.duration_us - found.own.duration_us == found.duration_difference_us + only - ours


@given(own_calls(apart_us=2 * SECOND), st.data())
def test_a_missing_line_is_the_only_one_told(calls: list[OwnCall], data: st.DataObject) -> None:
    file = copied(calls)
    gone = data.draw(st.sets(st.sampled_from(file))) if file else set()
    found = reconcile([call for call in file if call not in gone], calls, ALL)
    assert not found.only_carrier
    assert len(found.only_own) == len(gone)


@given(own_calls(apart_us=5 * SECOND), st.integers(-20 * SECOND, 20 * SECOND))
def test_the_offset_of_the_clocks_is_told_and_can_be_subtracted(calls: list[OwnCall], offset: int) -> None:
    known = [replace(call, sip_call_id=f"{call.uniqueid}@pbx") for call in calls]
    file = [replace(call, at_us=call.at_us + offset) for call in copied(known)]
    found = reconcile(file, known, ALL)
    assert found.clock_offset_us == (offset if calls else None)
    assert all((CallField.START in one.fields) == (abs(offset) > SECOND) for one in found.matched)
    assert reconcile(file, known, replace(ALL, level_clocks=True)).agreed


def _shuffled(calls: list, chance: object) -> list:  # type: ignore[type-arg]
    mixed = list(calls)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    return mixed


# --- Cases --------------------------------------------------------------------------------------------------------
def test_what_only_one_side_has() -> None:
    ours = [own(1), own(2, START + MINUTE, caller="4989123")]
    file = [theirs(2, ours[0]), theirs(3, own(9, START + 5 * MINUTE, caller="18005550142"))]
    found = reconcile(file, ours, TERMS)
    assert pairs(found) == [(2, "node1-1.1")]
    assert [call.line for call in found.only_carrier] == [3]
    assert [call.uniqueid for call in found.only_own] == ["node1-2.1"]
    assert not found.agreed


def test_a_longer_call_with_the_carrier() -> None:
    ours = own(1)
    [one] = reconcile([replace(theirs(2, ours), duration_us=72 * SECOND)], [ours], TERMS).differing
    assert (one.fields, one.duration_us, one.start_us) == ({CallField.DURATION}, 12 * SECOND, 0)


def test_staff_who_call_together_under_one_number_are_told_apart_by_duration() -> None:
    """Three calls within a second; the carrier writes whole seconds."""
    ours = [own(1, START + 100_000, 600), own(2, START + 300_000, 30), own(3, START + 500_000, 90)]
    file = [replace(call, at_us=START) for call in reversed(copied(ours))]
    found = reconcile(file, ours, TERMS)
    assert sorted(pairs(found)) == [(2, "node1-1.1"), (3, "node1-2.1"), (4, "node1-3.1")]
    assert found.agreed


def test_calls_in_a_row_are_paired_by_the_clocks_offset() -> None:
    """Someone redials each 10 s, and the carrier's clock is 8 s ahead: the nearest start is the wrong one."""
    lonely = [own(n, START + n * 10 * MINUTE, caller=f"49301234{n:02}") for n in range(10, 16)]
    redialled = [own(n, START + n * 10 * SECOND, 5) for n in range(6)]
    calls = lonely + redialled
    file = [replace(call, at_us=call.at_us + 8 * SECOND) for call in copied(calls)]
    found = reconcile(file, calls, replace(TERMS, level_clocks=True))
    assert found.agreed
    assert {one.start_us for one in found.matched} == {0}


def test_a_call_billed_twice_under_one_call_id() -> None:
    ours = own(1, call_id="a@pbx")
    found = reconcile([theirs(2, ours), theirs(3, ours)], [ours], TERMS)
    assert (pairs(found), [call.line for call in found.only_carrier]) == ([(2, "node1-1.1")], [3])


def test_a_rewritten_or_constant_call_id_leaves_numbers_to_tell() -> None:
    ours = [own(n, START + n * MINUTE, caller=f"49301234{n:02}", call_id=f"{n}@pbx") for n in range(10)]
    for written in ("b2bua-{}", "0"):
        file = [replace(call, sip_call_id=written.format(call.line)) for call in copied(ours)]
        found = reconcile(file, ours, TERMS)
        assert found.agreed
        assert len(found.matched) == 10


def test_a_call_id_pairs_over_any_distance_and_says_what_differs() -> None:
    ours = own(1, call_id="a@pbx")
    other = replace(theirs(2, ours), at_us=START + 3600 * SECOND, caller="4940111222", number="18005550199")
    [one] = reconcile([other], [ours], TERMS).differing
    assert one.fields == {CallField.START, CallField.CALLER, CallField.NUMBER}


def test_a_withheld_number_is_no_difference() -> None:
    ours = own(1, caller="")
    assert reconcile([replace(theirs(2, ours), caller="4930123456")], [ours], TERMS).agreed
    assert reconcile([replace(theirs(2, own(1)), caller="")], [own(1)], TERMS).agreed


def test_a_routing_number_in_place_of_the_dialled_one() -> None:
    file = [replace(theirs(2, own(1)), number="99017")]
    [one] = reconcile(file, [own(1)], TERMS).differing
    assert one.fields == {CallField.NUMBER}
    assert reconcile([replace(file[0], number="")], [own(1)], TERMS).agreed


def test_calls_that_nobody_answered_are_left_out_unless_asked_for() -> None:
    ours = own(1, answered=False)
    alone = theirs(2, own(9, START + MINUTE, 0, caller="18005550142", answered=False))
    found = reconcile([alone], [ours], TERMS)
    assert (found.agreed, found.unanswered, found.own.calls) == (True, 2, 0)
    assert reconcile([theirs(2, ours)], [ours], TERMS).unanswered == 1
    asked = reconcile([alone], [ours], ALL)
    assert (len(asked.only_carrier), len(asked.only_own)) == (1, 1)


def test_a_call_the_carrier_bills_and_we_never_answered() -> None:
    ours = own(1, answered=False)
    file = [replace(theirs(2, ours), answered=True, duration_us=9 * SECOND)]
    [one] = reconcile(file, [ours], TERMS).differing
    assert (one.fields, one.duration_us) == ({CallField.DURATION}, 9 * SECOND)


def test_an_open_call_is_told_only_once_the_carrier_has_ended_it() -> None:
    going = own(1, seconds=None)
    found = reconcile([], [going], TERMS)
    assert (found.agreed, found.open, found.only_own) == (True, 1, [])
    [one] = reconcile([replace(theirs(2, going), duration_us=MINUTE)], [going], TERMS).differing
    assert (one.fields, one.duration_us) == ({CallField.OPEN}, None)


def test_calls_around_the_period_find_their_partners_and_are_not_told_alone() -> None:
    period = replace(TERMS, since_us=START, until_us=START + MINUTE)
    before, within, after = (
        own(1, START - SECOND, caller="4930111111"),
        own(2),
        own(3, START + MINUTE, caller="49302222"),
    )
    assert reconcile([], [before, within, after], period).only_own == [within]
    late = replace(theirs(2, before), at_us=START + SECOND // 2)
    found = reconcile([late], [before], replace(period, tolerance_us=2 * SECOND))
    assert (len(found.matched), found.agreed) == (1, True)


def test_only_the_numbers_asked_for() -> None:
    calls = [own(n, START + n * MINUTE, dialled=NUMBERS[n % 2]) for n in range(6)]
    terms = ReconciliationTerms(TERMS.since_us, TERMS.until_us, numbers=frozenset({"+1 800 555 0100"}))
    found = reconcile(copied(calls)[:2], calls, terms)
    assert (found.carrier.calls, found.own.calls, len(found.only_own)) == (1, 3, 2)


def test_the_span_of_a_file() -> None:
    assert carrier_reconciliation.span([]) is None
    assert carrier_reconciliation.span(copied([own(1, START + MINUTE), own(2)])) == (
        START + 200_000,
        START + MINUTE + 200_001,
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("+49 30 123456", "0049 30 123456", True),
        ("+4930123456", "030123456", True),
        ("12125550101", "2125550101", True),
        ("100", "0100", True),
        ("", "4930123456", True),
        ("0000", "4930123456", True),
        ("4930123456", "4930123457", False),
        ("101", "4930123101", False),
    ],
)
def test_numbers_as_books_write_them(one: str, other: str, alike: bool) -> None:
    assert phone.unlike(one, other, 8) is not alike
    assert phone.unlike(other, one, 8) is not alike


def test_the_differences_of_durations_add_up_over_the_calls_that_both_sides_have() -> None:
    calls = [own(number, START + number * 10 * MINUTE) for number in range(3)]
    longer = [replace(line, duration_us=(line.duration_us or 0) + SECOND // 4) for line in copied(calls[:2])]
    found = reconcile(longer, calls, ALL)
    assert (len(found.matched), found.duration_difference_us) == (2, SECOND // 2)
