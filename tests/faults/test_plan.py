"""The plan is a pure function of its seed, and holds what a run promises."""

from itertools import pairwise

import pytest

from tests.faults import plan
from tests.faults.plan import LANES, Kind
from tests.faults.run import FULL, ROOMS, SHORT


@pytest.mark.parametrize("profile", [SHORT, FULL], ids=["short", "full"])
def test_a_seed_gives_one_plan_and_another_seed_another(profile: plan.Profile) -> None:
    assert plan.make(1, profile, ROOMS) == plan.make(1, profile, ROOMS)
    assert plan.make(1, profile, ROOMS) != plan.make(2, profile, ROOMS)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("profile", [SHORT, FULL], ids=["short", "full"])
def test_faults_of_a_lane_come_one_after_another_and_heal_before_the_end(profile: plan.Profile, seed: int) -> None:
    faults = plan.make(seed, profile, ROOMS).faults
    for lane in LANES:
        ours = [fault for fault in faults if fault.lane == lane]
        assert ours
        assert all(before.at_s + before.length_s < after.at_s for before, after in pairwise(ours))
        assert all(fault.at_s + fault.length_s <= profile.duration_s for fault in ours)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("profile", [SHORT, FULL], ids=["short", "full"])
def test_asterisk_is_left_alone_while_ghosts_wait_for_their_end(profile: plan.Profile, seed: int) -> None:
    made = plan.make(seed, profile, ROOMS)
    assert max(ghost.at_s + ghost.stay_s for ghost in made.ghosts) + 65.0 < profile.calm_s
    harmful = [fault.at_s for fault in made.faults if fault.lane == "asterisk" or fault.kind is Kind.DISK_FULL]
    assert min(harmful) >= profile.calm_s


@pytest.mark.parametrize("seed", range(20))
def test_a_full_run_has_a_hundred_faults_of_every_kind_and_calls_enough(seed: int) -> None:
    made = plan.make(seed, FULL, ROOMS)
    assert len(made.faults) >= 100
    assert {fault.kind for fault in made.faults} == set(Kind) - FULL.without
    assert len(made.visits) >= 4000
    longest = max(fault.length_s for fault in made.faults)
    assert 25.0 < longest <= 60.0
