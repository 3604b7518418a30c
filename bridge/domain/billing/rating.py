"""Rating: (length of a stay, its error bound, tariff version) → charge. Pure: any charge can be computed again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bridge.domain import money
from bridge.domain.errors import Invalid
from bridge.domain.period import SECOND_US

MAX_PRICE = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """Prices from an instant on. A version never changes once it is made; a later one succeeds it.

    `per_minute` and `connect_fee` are amounts in the account's currency. Increments are whole seconds: the first is
    billed in full, and so is every further one that has begun. A charge is rounded to `decimals`. With
    `bill_estimated`, the time that an estimated stay may have lasted beyond its proved end is billed too.
    """

    id: UUID
    account_id: UUID
    effective_from: datetime
    per_minute: Decimal
    connect_fee: Decimal
    first_increment_s: int
    next_increment_s: int
    decimals: int
    bill_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """The price of one stay: the seconds that are billed, and the amount they come to."""

    billed_seconds: int
    amount: Decimal


def checked(version: TariffVersion, currency: str) -> TariffVersion:
    """The version, if its numbers make a tariff in `currency`. Raises Invalid naming the first that does not."""
    for field, price in (("per_minute", version.per_minute), ("connect_fee", version.connect_fee)):
        if not price.is_finite() or not 0 <= price <= MAX_PRICE or money.rounded(price, money.MAX_DECIMALS) != price:
            raise Invalid(field, f"a price is 0 to {MAX_PRICE}, with at most {money.MAX_DECIMALS} decimals")
    for field, seconds in (
        ("first_increment_s", version.first_increment_s),
        ("next_increment_s", version.next_increment_s),
    ):
        if not 1 <= seconds <= 3600:
            raise Invalid(field, "an increment is 1 to 3600 whole seconds")
    least = money.minor_decimals(currency)
    if not least <= version.decimals <= money.MAX_DECIMALS:
        raise Invalid("decimals", f"charges in {currency} have {least} to {money.MAX_DECIMALS} decimals")
    return version


def effective(versions: Iterable[TariffVersion], at: datetime) -> TariffVersion | None:
    """The version in force at an instant: the latest that had begun by then, None if none had."""
    begun = [version for version in versions if version.effective_from <= at]
    return max(begun, key=lambda version: version.effective_from, default=None)


def billed_seconds(duration_us: int, first_increment_s: int, next_increment_s: int) -> int:
    """The whole seconds that are billed for a duration in µs: every increment that has begun, and 0 for 0."""
    if duration_us <= 0:
        return 0
    over_us = duration_us - first_increment_s * SECOND_US
    if over_us <= 0:
        return first_increment_s
    return first_increment_s + -(-over_us // (next_increment_s * SECOND_US)) * next_increment_s


def charge(duration_us: int, version: TariffVersion, error_bound_us: int = 0) -> Charge:
    """The charge for a stay of `duration_us` under a tariff version, rounded once, half up, to the tariff's decimals.

    `error_bound_us` is how much longer an estimated stay may have lasted. It is billed only if the version says so.
    """
    billed_us = duration_us + error_bound_us if version.bill_estimated else duration_us
    seconds = billed_seconds(billed_us, version.first_increment_s, version.next_increment_s)
    # One division, of an exact product: no digit is lost before the rounding.
    exact = version.per_minute * seconds / 60 + version.connect_fee
    return Charge(seconds, money.rounded(exact, version.decimals))
