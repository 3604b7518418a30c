"""The written form of amounts, durations and times: one for paper, screen, REST and files."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bridge.domain.period import SECOND_US


def decimals(amount: Decimal) -> int:
    """Return the number of decimals that an amount needs: 0 for 1200, 2 for 0.10 + 0.05."""
    exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def amount(value: Decimal, least: int) -> str:
    """An amount without an exponent: as many decimals as it needs, and `least` at the least."""
    return f"{value:.{max(least, decimals(value))}f}"


def duration(us: int) -> str:
    """A duration in µs as h:mm:ss.µµµµµµ, exact."""
    seconds = us // SECOND_US
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{us % SECOND_US:06}"


def seconds(us: int) -> str:
    """A duration in µs as seconds with six decimals, exact."""
    return f"{us // SECOND_US}.{us % SECOND_US:06}"


def signed_seconds(us: int) -> str:
    """A difference in µs as seconds with a sign and three decimals."""
    return f"{us / SECOND_US:+.3f}"


def rfc3339(at: datetime) -> str:
    """A time in UTC, with microseconds and Z. These strings sort as the times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def local_time(at: datetime, zone: tzinfo) -> str:
    """A time in a time zone, to the second, for people: 2026-11-20 15:13:25."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def local_date(at: datetime, zone: tzinfo) -> str:
    """The date of a time in a time zone: 2026-11-20."""
    return at.astimezone(zone).strftime("%Y-%m-%d")
