"""Amounts, durations and times as they are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import notation

AT = datetime(2026, 11, 20, 23, 13, 25, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "least", "written"),
    [
        ("0", 2, "0.00"),
        ("0.1", 2, "0.10"),
        ("0.1230", 2, "0.123"),
        ("1.2E+3", 0, "1200"),
        ("1E-6", 2, "0.000001"),
        ("-0.50", 2, "-0.50"),
        ("100", 0, "100"),
    ],
)
def test_an_amount_has_no_exponent_and_no_more_decimals_than_it_needs(value: str, least: int, written: str) -> None:
    assert notation.amount(Decimal(value), least) == written


@given(st.decimals(-(10**9), 10**9, places=6), st.integers(0, 6))
def test_an_amount_is_written_exactly(value: Decimal, least: int) -> None:
    assert Decimal(notation.amount(value, least)) == value


def test_durations_are_exact_to_the_microsecond() -> None:
    assert notation.duration(0) == "0:00:00.000000"
    assert notation.duration(36 * 3_600_000_000 + 61_000_007) == "36:01:01.000007"
    assert notation.seconds(61_000_007) == "61.000007"


@pytest.mark.parametrize(("us", "written"), [(1_500_000, "+1.500"), (-250_000, "-0.250"), (0, "+0.000")])
def test_a_difference_has_a_sign(us: int, written: str) -> None:
    assert notation.signed_seconds(us) == written


def test_times_are_in_utc_for_programs_and_in_a_zone_for_people() -> None:
    assert notation.rfc3339(AT) == "2026-11-20T23:13:25.000012Z"
    assert notation.rfc3339(AT.astimezone(BERLIN)) == "2026-11-20T23:13:25.000012Z"
    assert notation.local_time(AT, BERLIN) == "2026-11-21 00:13:25"
    assert notation.local_date(AT, BERLIN) == "2026-11-21"


@given(st.datetimes(AT.replace(tzinfo=None), timezones=st.just(UTC)), st.timedeltas(timedelta(0), timedelta(days=300)))
def test_times_sort_as_they_are_written(at: datetime, later: timedelta) -> None:
    at = at.replace(year=min(at.year, 9000))
    assert (notation.rfc3339(at) < notation.rfc3339(at + later)) == (later > timedelta(0))
