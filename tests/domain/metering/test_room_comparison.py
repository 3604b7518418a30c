"""The channels of the journal against those that exist, comparison after comparison."""

from bridge.domain.metering.room_comparison import ROUNDS, JournaledChannels, RoomDifferences, lasting

JOURNALED = JournaledChannels(inside={"here", "left"}, waiting={"dialling", "hung-up", "came"}, doubtful=set())
PRESENT = {"here", "came"}
EXISTING = {"dialling"}


def test_each_kind_of_difference_is_counted() -> None:
    found = RoomDifferences().after(JOURNALED, PRESENT, EXISTING)
    assert found == RoomDifferences(absent={"left": 1}, unseen={"came": 1}, gone={"hung-up": 1})


def test_a_difference_counts_on_while_it_lasts_and_begins_anew_after_it_was_away() -> None:
    agreeing = JournaledChannels(inside=PRESENT, waiting=EXISTING, doubtful=set())
    twice = RoomDifferences().after(JOURNALED, PRESENT, EXISTING).after(JOURNALED, PRESENT, EXISTING)
    assert (twice.absent, twice.unseen, twice.gone) == ({"left": 2}, {"came": 2}, {"hung-up": 2})
    away = twice.after(agreeing, PRESENT, EXISTING)
    assert away == RoomDifferences()
    assert away.after(JOURNALED, PRESENT, EXISTING).absent == {"left": 1}


def test_a_difference_lasts_after_three_comparisons_and_again_after_each_further_three() -> None:
    rounds = {"new": 1, "b": ROUNDS, "a": ROUNDS, "later": ROUNDS + 1, "again": 2 * ROUNDS}
    assert lasting(rounds) == ["a", "again", "b"]
