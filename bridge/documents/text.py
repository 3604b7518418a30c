"""A statement as plain text, for terminals and mail: at most 100 columns, and its printed figures add up."""

from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.documents.columns import fitted
from bridge.domain import money, notation
from bridge.domain.billing.statement import BilledStay, ConferenceLine, Line, Statement
from bridge.domain.notation import local_date, local_time

WIDTH = 98
LABEL = 54


def statement(bill: Statement) -> str:
    """The whole bill: header, each sub-account with its conferences and participants, totals."""
    places = _places(bill)
    zone = ZoneInfo(bill.account.time_zone)
    coins = money.minor_decimals(bill.account.currency)
    lines = [
        f"STATEMENT ({bill.state})".ljust(WIDTH - 10) + bill.period.name.rjust(10),
        fitted(f"Account  {bill.account.name}", WIDTH).rstrip(),
        f"Period   {local_date(bill.period.start, zone)} up to {local_date(bill.period.end, zone)} "
        f"({bill.account.time_zone}), amounts in {bill.account.currency}",
    ]
    for line in bill.lines:
        lines += ["", "=" * WIDTH, *_sub_account(line, places, zone)]
    lines += [
        "",
        "=" * WIDTH,
        _total("Subtotal", bill.subtotal, places, places),
        _total("Tax", bill.tax, coins, places),
        _total("Rounding", bill.rounding, places, places),
        _total(f"TOTAL {bill.account.currency}", bill.total, coins, places),
    ]
    if not bill.lines:
        lines.append("No stay of this period has been charged.")
    if bill.unrated:
        lines.append(f"Not in this bill: {_stays(bill.unrated)} that no tariff covers; see `bridge tariff add`.")
    if bill.open:
        lines.append(f"Not in this bill yet: {_stays(bill.open)} still going on.")
    return "\n".join(lines) + "\n"


def _sub_account(line: Line, places: int, zone: ZoneInfo) -> list[str]:
    heads = f"{'':4}{'caller':<22}{'role':<8}{'joined':<20}{'duration':>18}{'billed s':>11}{'amount':>15}"
    title = fitted(f"{line.user_id}  {line.name}", WIDTH - len(line.kind) - 3).rstrip()
    found = [f"{title} ({line.kind})", heads]
    for conference in line.conferences:
        found += _conference(conference, places, zone)
    label = f"Sum of {line.user_id}, {_stays(line.stays)}"
    return [*found, "-" * WIDTH, _row(label, line.duration_us, line.billed_seconds, line.amount, places)]


def _conference(conference: ConferenceLine, places: int, zone: ZoneInfo) -> list[str]:
    label = f"  Conference {local_time(conference.started_at, zone)}, {conference.room_name}"
    sums = conference.duration_us, conference.billed_seconds, conference.amount
    return [_row(label, *sums, places), *(_participant(stay, places, zone) for stay in conference.participants)]


def _participant(stay: BilledStay, places: int, zone: ZoneInfo) -> str:
    label = f"{'':4}{stay.caller or 'withheld':<22}{stay.role:<8}{local_time(stay.joined_at, zone)}"
    mark = (
        "" if stay.evidence == "measured" else "\n      (the end is estimated; nothing beyond what is proved is billed)"
    )
    return _row(label, stay.duration_us, stay.billed_seconds, stay.amount, places) + mark


def _stays(count: int) -> str:
    return "1 stay" if count == 1 else f"{count} stays"


def _row(label: str, duration_us: int, billed_seconds: int, amount: Decimal, places: int) -> str:
    return f"{fitted(label, LABEL)}{notation.duration(duration_us):>18}{billed_seconds:>11}{amount:>15.{places}f}"


def _total(label: str, amount: Decimal, decimals: int, places: int) -> str:
    """A total, its decimal point below those of the lines."""
    return f"{label:<{WIDTH - 15}}{amount:>{15 - places + decimals}.{decimals}f}"


def _places(bill: Statement) -> int:
    """As many decimals as the finest charge has, so that the printed figures add up."""
    amounts = [
        stay.amount for line in bill.lines for conference in line.conferences for stay in conference.participants
    ]
    finest = max(map(notation.decimals, amounts), default=0)
    return max(finest, money.minor_decimals(bill.account.currency))
