"""Faults that coincide: a freeze, a full disk as the switch wakes or starts, a daemon that is away, and damage."""

import random
from collections import Counter

from hypothesis import given

from bridge.domain.metering.records import Call, Evidence
from tests.domain.metering import meetings
from tests.domain.metering.folding import fold, merged
from tests.domain.metering.journals import (
    HEART,
    SECOND,
    START,
    CallLines,
    alive,
    boot,
    boot_name,
    booting,
    line,
    living,
)
from tests.domain.metering.switch_world import world
from tests.domain.metering.test_fold_properties import (
    CALLS,
    SEEDS,
    assert_no_more_than_true,
    damaged,
    interrupted,
    records,
    written,
)


def test_an_end_that_is_late_by_a_freeze_and_a_hole_behind_it_is_where_the_freeze_began() -> None:
    """The disk is full as the switch wakes: some heartbeats still fit. The BYE, sent as it froze, is repeated later."""
    froze, woke = START + 10 * SECOND, START + 48 * SECOND
    left = woke + 3_900_000
    call = CallLines("n-1.1", START + 2 * SECOND, START + 4 * SECOND, left).lines()
    lines = [boot(START), *living(3), *call[:5], *living(7.5, START + 3 * SECOND)]
    lines += [alive(woke + beat * SECOND // 2, 21 + beat) for beat in (0, 1, 2, 3, 4, 6, 7)]
    lines += [*call[5:], alive(left + 900, 29)]
    [record] = records(fold(lines))
    assert record.left_us <= froze
    assert record.evidence is Evidence.ESTIMATED


def test_a_call_that_came_before_the_first_heartbeat_of_its_boot_is_one_call() -> None:
    """The disk was full as the switch started: neither BOOT nor the first heartbeats were written."""
    began = START + 20 * SECOND
    call = CallLines("n-2.15", began + 3_500_000, began + 3_900_000, began + 9_900_000).lines()
    again = [alive(began + beat * SECOND // 2, beat, "n-2.0", began=began) for beat in range(8, 20)]
    found = fold([boot(START), *living(12), *call[:5], *again, *call[5:]])
    assert [change.call.boot for change in found if isinstance(change, Call)] == [f"n-2.0:{began // SECOND}.000000"]
    [record] = records(found)
    assert (record.duration_us, record.evidence) == (6 * SECOND, Evidence.MEASURED)
    assert record.stay.boot == f"n-2.0:{began // SECOND}.000000"


def test_a_call_that_came_while_its_boot_was_about_to_be_named_is_one_call() -> None:
    """A caller was waiting: the lines of the call stand between those of the heart's channels and BOOT."""
    again = START + 20 * SECOND
    *channels, _ = booting(again, "n-2.0")
    named = line("BOOT", again, "n-2.0", {"extra": boot_name("n-2.0", again)}, channame=HEART)
    call = CallLines("n-2.2", again - 1_700, again + 3 * SECOND, again + 9 * SECOND).lines()
    beats = [alive(again + 100 + beat * SECOND // 2, beat, "n-2.0", began=again) for beat in range(30)]
    found = fold([boot(START), *living(12), *channels[:2], *call[:3], *channels[2:], named, *merged(beats, call[3:])])
    [one] = [change for change in found if isinstance(change, Call)]
    assert (one.call.boot, one.call.started_us) == (f"n-2.0:{again // SECOND}.000000", again - 1_600)
    [record] = records(found)
    assert (record.duration_us, record.evidence) == (6 * SECOND, Evidence.MEASURED)


@given(SEEDS, CALLS)
def test_where_faults_meet_no_bill_gets_longer_and_no_stay_is_there_twice(seed: int, calls: int) -> None:
    chance = random.Random(seed)
    made = world(chance, calls, late=True)
    lines = written(made)
    for _ in range(chance.choice((1, 1, 2, 3))):
        befalls = chance.choice((meetings.full_at_waking, meetings.full_at_waking, meetings.full_at_boot, damaged))
        lines = befalls(chance, lines)
    found = interrupted(chance, lines)
    assert_no_more_than_true(made, records(found))


@given(SEEDS, CALLS)
def test_where_the_disk_is_full_at_a_boot_no_call_is_there_twice(seed: int, calls: int) -> None:
    chance = random.Random(seed)
    made = world(chance, calls, late=True)
    lines = written(made)
    for _ in range(chance.choice((1, 2))):
        lines = chance.choice((meetings.full_at_waking, meetings.full_at_boot))(chance, lines)
    found = Counter(change.call.uniqueid for change in interrupted(chance, lines) if isinstance(change, Call))
    assert not [uniqueid for uniqueid, count in found.items() if count > 1]
