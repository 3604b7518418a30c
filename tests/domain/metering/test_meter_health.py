"""Findings about metering, and when new callers must be refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.metering import meter_health
from bridge.domain.metering.meter_health import (
    ClockOffset,
    DiskSpace,
    Finding,
    JournalSeen,
    MeterLimits,
    Observation,
    Severity,
)

MIB = 1 << 20
LIMITS = MeterLimits(256 * MIB, 3.0)
ROOM = DiskSpace(10_000 * MIB, 20_000 * MIB, 1_000_000)
WELL = Observation(JournalSeen(None, ROOM, 1), 0.4, 3600.0, True, ClockOffset(0.02, 0.001), True)


def judged(seen: Observation) -> tuple[Finding, ...]:
    return meter_health.findings(seen, LIMITS)


def test_nothing_is_found_where_all_is_well() -> None:
    assert judged(WELL) == ()


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (replace(WELL, journal=JournalSeen("there is no folder /j", None, None)), "journal_unwritable"),
        (replace(WELL, journal=JournalSeen(None, replace(ROOM, free_bytes=256 * MIB - 1), 1)), "journal_disk_full"),
        (replace(WELL, journal=JournalSeen(None, replace(ROOM, files=0), 1)), "journal_disk_full"),
        (replace(WELL, cel_custom=False), "cel_custom_missing"),
        (replace(WELL, heartbeat_age_s=5.1), "heart_silent"),
        (replace(WELL, heartbeat_age_s=None), "heart_silent"),
        (replace(WELL, clock=ClockOffset(3.1, 0.01)), "clock_wrong"),
        (replace(WELL, clock=ClockOffset(-3.1, 0.01)), "clock_wrong"),
    ],
)
def test_what_costs_minutes_is_a_failure(seen: Observation, name: str) -> None:
    found = judged(seen)
    assert [(finding.name, finding.severity) for finding in found] == [(name, Severity.FAILED)]
    assert meter_health.failure(found) == found[0].what
    assert found[0].mend


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (replace(WELL, journal=JournalSeen(None, replace(ROOM, free_bytes=511 * MIB), 1)), "journal_disk_low"),
        (replace(WELL, synchronised=False), "clock_unsynchronised"),
    ],
)
def test_what_may_come_to_cost_minutes_is_a_warning(seen: Observation, name: str) -> None:
    found = judged(seen)
    assert [(finding.name, finding.severity) for finding in found] == [(name, Severity.WARNING)]
    assert meter_health.failure(found) is None


@pytest.mark.parametrize("unlimited", [None, 7])
def test_a_disk_without_a_limit_of_files_is_not_full_for_want_of_them(unlimited: int | None) -> None:
    assert judged(replace(WELL, journal=JournalSeen(None, replace(ROOM, files=unlimited), 1))) == ()


@pytest.mark.parametrize("ari_s", [None, 0.0, 5.0])
def test_a_heart_is_missed_only_while_asterisk_is_known_to_live(ari_s: float | None) -> None:
    assert judged(replace(WELL, ari_s=ari_s, heartbeat_age_s=None)) == ()


def test_what_is_not_known_is_no_reason_to_refuse() -> None:
    assert judged(Observation(JournalSeen(None, None, None), 0.1, 60.0, None, None, None)) == ()


@given(st.floats(-1e6, 1e6), st.floats(0, 1e4))
def test_a_clock_is_wrong_only_beyond_what_the_reading_may_err(offset: float, bound: float) -> None:
    wrong = bool(judged(replace(WELL, clock=ClockOffset(offset, bound))))
    assert wrong == (abs(offset) - bound > LIMITS.clock_tolerance_s)


SEEN = st.builds(
    Observation,
    st.builds(
        JournalSeen,
        st.none() | st.just("why"),
        st.none() | st.builds(DiskSpace, st.integers(0, 1 << 40), st.just(1 << 40), st.none() | st.integers(0, 9)),
        st.none() | st.integers(0, 1 << 50),
    ),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(0, 100),
    st.none() | st.booleans(),
    st.none() | st.builds(ClockOffset, st.floats(-10, 10), st.floats(0, 5)),
    st.none() | st.booleans(),
)


@given(SEEN)
def test_failures_come_first_and_each_fault_is_named_once(seen: Observation) -> None:
    found = judged(seen)
    ranks = [finding.severity is Severity.WARNING for finding in found]
    assert ranks == sorted(ranks)
    assert len({finding.name for finding in found}) == len(found)
    assert (meter_health.failure(found) is None) == all(ranks)


@given(SEEN, st.integers(1, 1 << 40))
def test_more_room_never_makes_it_worse(seen: Observation, more: int) -> None:
    room = seen.journal.room
    if room is None:
        return
    roomier = replace(seen, journal=replace(seen.journal, room=replace(room, free_bytes=room.free_bytes + more)))
    if meter_health.failure(judged(seen)) is None:
        assert meter_health.failure(judged(roomier)) is None
