"""A statement as plain text, for terminals and mail: at most 100 columns, and every printed figure adds up."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.domain import money
from bridge.domain.statement import BilledStay, ConferenceLine, Line, Statement

WIDTH = 100
_COLUMNS = "{:<28}{:<8}{:<22}{:>14}{:>12}{:>14}"


def statement(bill: Statement) -> str:
    """The whole bill: header, each sub-account with its conferences and participants, totals."""
    places = _places(bill)
    zone = ZoneInfo(bill.account.time_zone)
    lines = [
        f"STATEMENT ({bill.state})".ljust(WIDTH - 20) + bill.period.name.rjust(18),
        f"Account  {bill.account.name}",
        f"Period   {_date(bill.period.start, zone)} up to {_date(bill.period.end, zone)} ({bill.account.time_zone}), "
        f"amounts in {bill.account.currency}",
    ]
    for line in bill.lines:
        lines += ["", "=" * (WIDTH - 2), *_sub_account(line, places, zone)]
    lines += ["", "=" * (WIDTH - 2)]
    lines += [_total("Subtotal", bill.subtotal, places)]
    lines += [_total("Tax", bill.tax, places), _total("Rounding", bill.rounding, places)]
    lines += [_total(f"TOTAL {bill.account.currency}", bill.total, places)]
    if not bill.lines:
        lines.append("No stay of this period has been charged.")
    if bill.unrated:
        lines.append(f"Not in this bill: {bill.unrated} stays that no tariff covers; add one with `bridge tariff add`.")
    if bill.open:
        lines.append(f"Not in this bill yet: {bill.open} stays that go on.")
    return "\n".join(lines) + "\n"


def _sub_account(line: Line, places: int, zone: ZoneInfo) -> list[str]:
    title = f"{line.user_id}  {line.name} ({line.kind})"
    found = [title, _COLUMNS.format("", "role", "joined", "duration", "billed s", "amount").rstrip()]
    for conference in line.conferences:
        found += _conference(conference, places, zone)
    plural = "stay" if line.stays == 1 else "stays"
    label = f"Sum of {line.user_id}, {line.stays} {plural}"
    sums = (_duration(line.duration_us), line.billed_seconds, _amount(line.amount, places))
    return [*found, "-" * (WIDTH - 2), f"{label:<58}{sums[0]:>14}{sums[1]:>12}{sums[2]:>14}"]


def _conference(conference: ConferenceLine, places: int, zone: ZoneInfo) -> list[str]:
    sums = (_duration(conference.duration_us), conference.billed_seconds, _amount(conference.amount, places))
    head = f"  Conference in {conference.room_name}, {_time(conference.started_at, zone)}"
    found = [f"{head[:57]:<58}{sums[0]:>14}{sums[1]:>12}{sums[2]:>14}"]
    return found + [_participant(stay, places, zone) for stay in conference.participants]


def _participant(stay: BilledStay, places: int, zone: ZoneInfo) -> str:
    mark = "" if stay.evidence == "measured" else " *estimated"
    return (
        _COLUMNS.format(
            f"    {stay.caller or 'withheld'}"[:27],
            stay.role,
            _time(stay.joined_at, zone),
            _duration(stay.duration_us),
            stay.billed_seconds,
            _amount(stay.amount, places),
        )
        + mark
    )


def _total(label: str, amount: Decimal, places: int) -> str:
    return f"{label:<84}{_amount(amount, places):>14}"


def _places(bill: Statement) -> int:
    """As many decimals as the finest charge has, so that what is printed adds up as printed."""
    amounts = [
        stay.amount for line in bill.lines for conference in line.conferences for stay in conference.participants
    ]
    finest = max((-int(amount.normalize().as_tuple().exponent) for amount in amounts), default=0)
    return max(finest, money.minor_decimals(bill.account.currency))


def _amount(amount: Decimal, places: int) -> str:
    return f"{amount:.{places}f}"


def _duration(us: int) -> str:
    """h:mm:ss.mmm, cut (not rounded) to the millisecond."""
    milliseconds = us // 1000
    seconds = milliseconds // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds % 1000:03}"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _date(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d")
