"""Slots: what they are taken from, what is given back, and who is served when they are short."""

import pytest

from bridge.domain.admission.bucket import DAY_S, INSTALLATION, Bucket, BucketKey, BucketKind
from bridge.domain.admission.guessing import FIRST, PIN_ODDS, RESERVE, Allowance
from bridge.domain.admission.slots import CallSource, SlotNeeds, Slots, WaitingEntry

NOW = 1.7e9
ALLOWANCE = Allowance()
ODDS, LOT = ALLOWANCE.odds, ALLOWANCE.lot
POLICIES = ALLOWANCE.policies()
NUMBER = BucketKey(BucketKind.ACCESS_NUMBER, "18005550100")
PIN = BucketKey(BucketKind.PASSCODE, "p-1")
OWN_S = 1 / POLICIES[BucketKind.CALLER].per_s
"""The seconds in which a caller's bucket fills by one entry."""


def caller(number: int) -> BucketKey:
    return BucketKey(BucketKind.CALLER, f"4930{number}")


def needs(number: int, chance: float = ODDS, access_number: BucketKey = NUMBER) -> SlotNeeds:
    return SlotNeeds((caller(number),), (access_number, INSTALLATION), chance)


def pin(number: int) -> SlotNeeds:
    return SlotNeeds((PIN, caller(number)), (NUMBER, INSTALLATION), PIN_ODDS)


def known(number: int, chance: float = ODDS) -> SlotNeeds:
    return SlotNeeds((caller(number),), (INSTALLATION,), chance, reserved=True)


def filled(**stored: float) -> Slots:
    """Slots with a full lot, and the levels that are given by the name of a kind."""
    slots = Slots(POLICIES)
    keys = {"caller": caller(1), "passcode": PIN, "access_number": NUMBER, "installation": INSTALLATION}
    levels = {keys[name]: level for name, level in {"installation": LOT, **stored}.items()}
    slots.restore({key: Bucket(level, NOW) for key, level in levels.items()})
    return slots


def level(slots: Slots, key: BucketKey, now: float = NOW) -> float:
    return slots.left(key, now) * POLICIES[key.kind].burst


def wait(slots: Slots, entry: SlotNeeds, now: float = NOW) -> WaitingEntry:
    """Let an entry wait, which finds a bucket short."""
    short = slots.take(entry, now)
    assert short is not None
    return slots.enter(entry, short)


# --- Sources ------------------------------------------------------------------------------------------------------
def test_callers_who_withhold_their_number_share_the_key_of_their_trunk() -> None:
    source = CallSource("4930123456", "192.0.2.7", "18005550100")
    assert source.own == BucketKey(BucketKind.CALLER, "4930123456")
    assert source.dialled == NUMBER
    assert CallSource("", "192.0.2.7", "1").own == BucketKey(BucketKind.TRUNK, "192.0.2.7")


# --- One slot -----------------------------------------------------------------------------------------------------
def test_a_wrong_entry_costs_one_of_its_caller_and_its_chance_of_what_is_shared() -> None:
    slots = filled()
    assert slots.take(needs(1), NOW) is None
    slots.spend(needs(1), ODDS / 4, NOW)
    assert level(slots, caller(1)) == 9
    assert level(slots, NUMBER) == pytest.approx(0.6 * LOT - ODDS / 4)
    assert level(slots, INSTALLATION) == pytest.approx(LOT - ODDS / 4)


def test_an_entry_that_had_no_chance_costs_nothing() -> None:
    slots = filled()
    slots.take(needs(1), NOW)
    slots.spend(needs(1), 0.0, NOW)
    assert [slots.left(key, NOW) for key in needs(1).keys] == pytest.approx([1, 1, 1])


def test_a_wrong_pin_costs_one_of_its_passcode_and_one_of_its_caller() -> None:
    slots = filled()
    slots.take(pin(1), NOW)
    slots.spend(pin(1), PIN_ODDS, NOW)
    assert (level(slots, PIN), level(slots, caller(1))) == (19, 9)
    slots.take(pin(1), NOW)
    slots.give_back(pin(1), NOW)
    assert (level(slots, PIN), level(slots, caller(1))) == (19, 9)


def test_ten_wrong_entries_of_a_number_are_judged_at_once_and_the_eleventh_waits() -> None:
    slots = filled()
    for _ in range(10):
        assert slots.take(needs(1), NOW) is None
        slots.spend(needs(1), ODDS, NOW)
    assert slots.take(needs(1), NOW) == caller(1)
    assert slots.take(needs(2), NOW) is None
    assert slots.take(needs(1), NOW + OWN_S) is None


def test_colleagues_behind_one_number_key_at_the_same_time_and_those_who_were_wrong_become_a_debt() -> None:
    slots = filled()
    for _ in range(50):
        assert slots.take(needs(1), NOW) is None
    for count in range(1, 51):
        slots.spend(needs(1), ODDS, NOW)
        assert level(slots, caller(1)) == max(-30, 10 - count)
    assert level(slots, NUMBER) == pytest.approx(0.6 * LOT - 50 * ODDS)
    assert slots.take(needs(1), NOW + 30 * OWN_S) == caller(1)
    assert slots.take(needs(1), NOW + 31 * OWN_S) is None


def test_nobody_of_a_company_waits_while_each_eighth_mistypes() -> None:
    slots, now = filled(), NOW
    for number in range(200):
        now += 1
        assert slots.take(needs(1), now) is None
        if number % 8 == 0:
            slots.spend(needs(1), ODDS, now + 0.5)
            assert slots.take(needs(1), now + 0.5) is None
        slots.give_back(needs(1), now + 0.9)


def test_whoever_holds_a_slot_for_long_gains_no_credit() -> None:
    slots = filled()
    for day in range(20):
        assert slots.take(pin(1), NOW + day * DAY_S) is None
        assert slots.left(PIN, NOW + day * DAY_S) == 0.95
        slots.give_back(pin(1), NOW + (day + 0.5) * DAY_S)
    assert slots.left(PIN, NOW + 20 * DAY_S) == 1


def test_a_slot_given_back_to_a_forgotten_bucket_adds_nothing() -> None:
    slots = filled()
    slots.take(pin(1), NOW)
    slots.fade(NOW + DAY_S)
    slots.give_back(pin(1), NOW + DAY_S)
    assert slots.left(PIN, NOW + DAY_S) == 1


def test_a_chance_above_a_lot_becomes_a_debt_that_no_entry_passes() -> None:
    slots = filled()
    huge = 10 * LOT
    assert slots.take(needs(1, huge), NOW) is None
    slots.spend(needs(1, huge), huge, NOW)
    assert level(slots, INSTALLATION) == pytest.approx(LOT - huge)
    assert slots.missing(NOW) == pytest.approx(huge)
    assert slots.take(known(2), NOW) == INSTALLATION
    slots.draw(slots.missing(NOW), NOW)
    assert slots.take(known(2), NOW) is None


@pytest.mark.parametrize("odds", [10**-exponent * part for exponent in range(6, 10) for part in (1.0, 0.7, 0.3)])
def test_a_full_bucket_is_enough_for_any_chance(odds: float) -> None:
    slots = Slots(Allowance(odds).policies())
    slots.draw(slots.missing(NOW), NOW)
    assert slots.take(needs(1, 1.0), NOW) is None


# --- Credit -------------------------------------------------------------------------------------------------------
def test_credit_makes_room_for_more_wrong_entries_up_to_the_most() -> None:
    slots = filled()
    slots.credit(caller(1), 5.0, NOW)
    assert level(slots, caller(1)) == 15
    slots.credit(caller(1), 500.0, NOW)
    assert level(slots, caller(1)) == 30


@pytest.mark.parametrize("key", [NUMBER, INSTALLATION])
def test_no_credit_enlarges_a_shared_bucket(key: BucketKey) -> None:
    with pytest.raises(AssertionError):
        filled().credit(key, 1.0, NOW)


# --- The lot ------------------------------------------------------------------------------------------------------
def test_a_new_node_begins_with_a_part_of_its_lot_and_no_time_fills_it() -> None:
    slots = Slots(POLICIES)
    for now in (NOW, NOW + 365 * DAY_S):
        assert slots.missing(now) == pytest.approx((1 - FIRST) * LOT)
    slots.draw(slots.missing(NOW), NOW)
    assert level(slots, INSTALLATION) == pytest.approx(LOT)
    assert slots.missing(NOW) == pytest.approx(0, abs=LOT * 1e-9)


def test_what_is_given_back_after_a_draw_is_kept() -> None:
    slots = filled()
    slots.take(needs(1), NOW)
    slots.draw(slots.missing(NOW), NOW)
    slots.give_back(needs(1), NOW)
    assert level(slots, INSTALLATION) == pytest.approx(LOT + ODDS)
    assert slots.missing(NOW) == 0


def test_known_callers_have_a_reserve() -> None:
    slots = filled(installation=RESERVE * LOT)
    assert slots.take(needs(1), NOW) == INSTALLATION
    assert slots.take(known(1), NOW) is None


def test_a_known_caller_waits_for_the_own_bucket_and_not_behind_those_who_wait_for_the_lot() -> None:
    slots = filled(installation=RESERVE * LOT, caller=0)
    wait(slots, needs(2))
    assert slots.take(known(3), NOW) is None
    assert slots.take(known(1), NOW) == caller(1)


# --- The queue ----------------------------------------------------------------------------------------------------
def test_an_entry_waits_behind_those_that_wait_for_the_same_bucket() -> None:
    slots = filled(access_number=0)
    entry = wait(slots, needs(1))
    assert (slots.waiting, slots.waited_for) == (1, {NUMBER})
    assert slots.serve(NOW) == []
    later = NOW + 60
    assert slots.take(needs(2), later) == NUMBER
    assert slots.serve(later) == [entry]
    assert (entry.slot, slots.waiting) == (True, 0)
    assert slots.take(needs(2), later) is None


def test_an_entry_that_waits_for_its_own_bucket_holds_nobody_else_up() -> None:
    slots = filled(caller=0)
    own = wait(slots, needs(1))
    behind = slots.enter(needs(1), caller(1))
    assert slots.take(needs(2), NOW) is None
    other = slots.enter(needs(3), NUMBER)
    assert slots.serve(NOW) == [other]
    assert slots.serve(NOW + OWN_S) == [own]
    slots.spend(needs(1), ODDS, NOW + OWN_S)
    assert slots.serve(NOW + OWN_S) == []
    assert slots.serve(NOW + 2 * OWN_S) == [behind]


def test_an_entry_whose_bucket_has_filled_waits_for_the_next_that_is_short() -> None:
    slots = filled(caller=0, access_number=-LOT)
    entry = wait(slots, needs(1))
    assert entry.short == caller(1)
    assert slots.serve(NOW + OWN_S) == []
    assert entry.short == NUMBER


def test_no_cheaper_entry_overtakes_a_dearer_one_that_waits_for_the_same_bucket() -> None:
    slots = filled(access_number=5 * ODDS)
    dear = wait(slots, pin(1))
    cheap = wait(slots, needs(2))
    assert slots.serve(NOW) == []
    assert slots.serve(NOW + 60) == [dear, cheap]


def test_many_entries_of_one_number_are_served_in_turn_with_one_of_another() -> None:
    slots = filled(access_number=0)
    many = [wait(slots, needs(1)) for _ in range(5)]
    one = wait(slots, needs(2))
    slots.leave(many[1])
    slots.leave(many[1])
    assert slots.serve(NOW + 3600) == [many[0], one, *many[2:]]


def test_whoever_hangs_up_while_waiting_puts_the_number_no_further_back() -> None:
    slots = filled(access_number=0)
    wait(slots, needs(2))
    for _ in range(100):
        slots.leave(wait(slots, needs(1)))
    again, last = wait(slots, needs(1)), wait(slots, needs(3))
    assert slots.serve(NOW + 3600)[1:] == [again, last]


def test_an_entry_that_has_waited_for_its_own_bucket_lets_no_newcomer_overtake_others() -> None:
    slots = filled(caller=-3, access_number=0)
    slow = slots.enter(needs(1), caller(1))
    others = [wait(slots, needs(number)) for _ in range(3) for number in (2, 3)]
    served, now = list[WaitingEntry](), NOW
    while not slow.slot:
        now += 1.001 * ODDS / POLICIES[BucketKind.ACCESS_NUMBER].per_s
        served += slots.serve(now)
    left = [entry for entry in others if not entry.slot]
    assert left
    newcomer = wait(slots, needs(4), now)
    assert slots.serve(now + 3600) == [*left, newcomer]


# --- What operators see and do ------------------------------------------------------------------------------------
def test_short_buckets_are_listed_with_their_queue_first() -> None:
    slots = filled(access_number=0, caller=0.5)
    for number in (2, 3):
        wait(slots, needs(number))
    number, own = slots.short(NOW)
    assert (number.key, number.left, number.waiting) == (NUMBER, 0, 2)
    assert number.waits_s == pytest.approx(ODDS / POLICIES[BucketKind.ACCESS_NUMBER].per_s)
    assert (own.key, own.left, own.waits_s, own.waiting) == (caller(1), 0.05, OWN_S / 2, 0)


def test_no_time_is_told_for_a_lot_that_time_does_not_fill() -> None:
    slots = filled(installation=RESERVE * LOT)
    wait(slots, needs(1))
    [short] = slots.short(NOW)
    assert (short.key, short.waits_s, short.waiting) == (INSTALLATION, None, 1)


def test_a_pin_that_was_keyed_wrong_too_often_waits_for_the_next_of_its_day() -> None:
    slots = filled(passcode=0)
    entry = wait(slots, pin(1))
    assert (entry.short, entry.needs.keys) == (PIN, (PIN, caller(1), NUMBER, INSTALLATION))
    assert slots.serve(NOW + DAY_S / 20 + 1) == [entry]


def test_a_lifted_bucket_is_full_and_deleted_from_the_disk() -> None:
    slots = filled(caller=0)
    slots.lift(caller(1))
    assert slots.left(caller(1), NOW) == 1
    assert slots.changed == {caller(1): None}
    slots.lift(caller(2))
    assert slots.changed == {caller(1): None}


def test_nobody_fills_the_installations_lot_by_hand() -> None:
    slots = filled(installation=0)
    slots.lift(INSTALLATION)
    assert slots.left(INSTALLATION, NOW) == 0


def test_buckets_that_are_full_again_are_forgotten_and_credit_a_day_later() -> None:
    slots = filled(caller=0, passcode=21)
    slots.fade(NOW + 10)
    assert len(slots) == 3
    slots.fade(NOW + DAY_S)
    assert slots.changed == {caller(1): None}
    slots.fade(NOW + DAY_S + 1)
    assert len(slots) == 1
    assert level(slots, INSTALLATION) == pytest.approx(LOT)


def test_of_too_many_buckets_the_fullest_are_dropped_and_no_shared_one() -> None:
    slots = Slots(POLICIES, most=50)
    slots.draw(slots.missing(NOW), NOW)
    for _ in range(10):
        slots.take(needs(1), NOW)
        slots.spend(needs(1), ODDS, NOW)
    for number in range(2, 500):
        slots.take(needs(number), NOW)
        slots.spend(needs(number), ODDS / 100, NOW)
        assert len(slots) <= 50
    assert slots.take(needs(1), NOW) == caller(1)
    assert level(slots, NUMBER) == pytest.approx(0.6 * LOT - 10 * ODDS - 498 * ODDS / 100)


# --- The clock ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("back_s", [60, 3 * DAY_S])
def test_after_the_clock_was_set_back_an_empty_bucket_fills_as_before(back_s: float) -> None:
    slots = filled(caller=0, access_number=0)
    then = NOW - back_s
    assert slots.take(needs(1), then) == caller(1)
    assert slots.take(needs(2), then) == NUMBER
    assert slots.take(needs(2), then + 60) is None
    assert slots.take(needs(1), then + 60) is None
    assert slots.changed[NUMBER] is not None


def test_with_other_policies_what_is_shared_keeps_its_share_and_callers_their_entries() -> None:
    slots = Slots(POLICIES)
    slots.draw(slots.missing(NOW), NOW)
    source = CallSource("+4930123456", "192.0.2.7", "18005550100")
    needs = SlotNeeds((source.own,), (source.dialled, INSTALLATION), ALLOWANCE.odds)
    for _ in range(5):
        assert slots.take(needs, NOW) is None
        slots.spend(needs, needs.chance, NOW)
    before = {key: slots.left(key, NOW) for key in needs.keys}
    slots.resize(ALLOWANCE.fitted(1e-6).policies())
    assert {key: slots.left(key, NOW) for key in needs.keys} == pytest.approx(before)
