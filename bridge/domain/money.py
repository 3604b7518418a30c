"""Money: exact decimals, rounded once, shared out without losing a cent."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext

from babel.core import get_global
from babel.numbers import get_currency_precision, list_currencies

from bridge.domain.errors import Invalid

MAX_DECIMALS = 6
"""The finest price anything is charged in; NUMERIC columns of the ledger have as many."""

_RETIRED = {
    code for pairs in get_global("territory_currencies").values() for code, _, end, _ in pairs if end is not None
} - {code for pairs in get_global("territory_currencies").values() for code, _, end, _ in pairs if end is None}


def currency(code: str) -> str:
    """An ISO 4217 code in use, in capitals. Raises Invalid for anything else."""
    upper = code.upper()
    if upper not in list_currencies() or upper in _RETIRED:
        raise Invalid("currency", f"{code!r} is not an ISO 4217 currency code in use, such as USD or EUR")
    return upper


def minor_decimals(code: str) -> int:
    """The number of decimals of a currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD (ISO 4217)."""
    return get_currency_precision(code)


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """`amount` at `decimals` places, half away from zero (as invoices round)."""
    with localcontext() as context:
        context.prec = 60
        return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def shared(total: Decimal, weights: Sequence[int], decimals: int) -> list[Decimal]:
    """`total` split by `weights` at `decimals` places, adding up to `total` exactly (largest-remainder method).

    `total` must have no more than `decimals` places. Equal remainders go to the earlier share. With all weights zero
    everything goes to the first.
    """
    if not weights:
        raise ValueError("nothing to share over")
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is negative")
    units = int(total.scaleb(decimals))
    if Decimal(units).scaleb(-decimals) != total:
        raise ValueError(f"{total} has more than {decimals} decimals")
    whole = sum(weights)
    if whole == 0:
        parts = [units] + [0] * (len(weights) - 1)
    else:
        sign, size = (-1 if units < 0 else 1), abs(units)
        parts = [size * weight // whole for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda index: (-(size * weights[index] % whole), index))
        for index in by_remainder[: size - sum(parts)]:
            parts[index] += 1
        parts = [sign * part for part in parts]
    return [Decimal(part).scaleb(-decimals) for part in parts]
