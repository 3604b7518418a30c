"""The end of a stay whose own line cannot be taken at its word."""

from bridge.domain.metering.records import Evidence
from bridge.domain.metering.switch_timeline import REVIVAL_US
from tests.domain.metering.folding import fold, records
from tests.domain.metering.journals import SECOND, START, CallLines, living


def test_a_stay_within_the_time_before_a_step_back_is_seen_ends_at_its_exit() -> None:
    """The clock was set back by 5 s. The caller joined after that, and left before an ALIVE has shown it."""
    back = START + 5 * SECOND
    stay = CallLines("n-7.1", back, back + 100_000, back + 300_000)
    [record] = records(fold([*living(10.5), *stay.lines()[1:]]))
    assert (record.duration_us, record.evidence) == (200_000, Evidence.ESTIMATED)
    assert record.error_bound_us == 10 * SECOND - 5_300_000 + REVIVAL_US
