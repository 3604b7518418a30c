from bridge.domain.metering import records


def test_instants_and_microseconds_are_the_same_to_the_last_one() -> None:
    at = records.instant(1_795_435_399_000_007)
    assert at.isoformat() == "2026-11-23T12:03:19.000007+00:00"
    assert records.microseconds(at) == 1_795_435_399_000_007
