"""Usage that is far more than usual, and usage that is not."""

import pytest

from bridge.domain.metering.usage import DayUsage, UsageKind


@pytest.mark.parametrize(
    ("minutes", "usual", "unusual"),
    [(2000, 0, False), (2001, 0, True), (2001, 700, False), (2101, 700, True), (90_000, 30_000, False)],
)
def test_usage_is_unusual_beyond_three_times_what_is_usual_and_a_least(minutes: int, usual: int, unusual: bool) -> None:
    assert DayUsage(UsageKind.ACCOUNT, "a", minutes, usual).is_unusual(2000) is unusual
