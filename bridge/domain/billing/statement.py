"""The bill: charges → lines → total. Every figure above a charge is a plain sum of the figures below it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bridge.domain import money
from bridge.domain.period import Period
from bridge.domain.provisioning.tenants import Account


@dataclass(frozen=True, slots=True)
class BilledStay:
    """A closed stay with its charge and its owner, as they stand in the ledger."""

    id: UUID
    sub_account_id: UUID
    user_id: str
    name: str
    kind: str
    conference_id: UUID
    room_name: str
    role: str
    caller: str
    joined_at: datetime
    left_at: datetime
    duration_us: int
    billed_seconds: int
    amount: Decimal
    evidence: str


@dataclass(frozen=True, slots=True)
class ConferenceLine:
    """One conference of a sub-account: its participants and their sums."""

    conference_id: UUID
    room_name: str
    started_at: datetime
    ended_at: datetime
    participants: tuple[BilledStay, ...]
    duration_us: int
    billed_seconds: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """The line of one sub-account, with its conferences and sums."""

    sub_account_id: UUID
    user_id: str
    name: str
    kind: str
    conferences: tuple[ConferenceLine, ...]
    stays: int
    duration_us: int
    billed_seconds: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """The bill of one account for one period.

    `subtotal` is the sum of the lines, exact. `total` is in the currency's minor unit; `rounding` is what that adds
    or takes, so that subtotal + tax + rounding = total. `unrated` counts closed stays with no tariff in force, and
    `open` stays that go on: neither is in any line yet.
    """

    account: Account
    period: Period
    state: str
    lines: tuple[Line, ...]
    subtotal: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal
    unrated: int
    open: int


def issue(account: Account, period: Period, stays: Iterable[BilledStay], unrated: int, open_stays: int) -> Statement:
    """A draft statement of the stays that began in the period. Lines are in the order of user ids."""
    by_owner: dict[UUID, list[BilledStay]] = defaultdict(list)
    for stay in stays:
        by_owner[stay.sub_account_id].append(stay)
    lines = tuple(sorted((_line(owned) for owned in by_owner.values()), key=lambda line: line.user_id))
    subtotal = sum((line.amount for line in lines), Decimal(0))
    total = money.rounded(subtotal, money.minor_decimals(account.currency))
    return Statement(
        account, period, "draft", lines, subtotal, Decimal(0), total - subtotal, total, unrated, open_stays
    )


def _line(stays: Sequence[BilledStay]) -> Line:
    by_conference: dict[UUID, list[BilledStay]] = defaultdict(list)
    for stay in stays:
        by_conference[stay.conference_id].append(stay)
    conferences = sorted((_conference(joined) for joined in by_conference.values()), key=lambda c: c.started_at)
    latest = max(stays, key=lambda stay: stay.joined_at)
    return Line(
        latest.sub_account_id,
        latest.user_id,
        latest.name,
        latest.kind,
        tuple(conferences),
        len(stays),
        sum(conference.duration_us for conference in conferences),
        sum(conference.billed_seconds for conference in conferences),
        sum((conference.amount for conference in conferences), Decimal(0)),
    )


def _conference(stays: Sequence[BilledStay]) -> ConferenceLine:
    ordered = tuple(sorted(stays, key=lambda stay: (stay.joined_at, stay.id)))
    return ConferenceLine(
        ordered[0].conference_id,
        ordered[0].room_name,
        ordered[0].joined_at,
        max(stay.left_at for stay in ordered),
        ordered,
        sum(stay.duration_us for stay in ordered),
        sum(stay.billed_seconds for stay in ordered),
        sum((stay.amount for stay in ordered), Decimal(0)),
    )
