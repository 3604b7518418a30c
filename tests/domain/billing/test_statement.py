from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import money, period
from bridge.domain.billing import statement
from bridge.domain.billing.statement import BilledStay
from bridge.domain.errors import Invalid
from bridge.domain.metering import records
from bridge.domain.provisioning.tenants import Account

START = datetime(2026, 11, 1, tzinfo=UTC)


def account(currency: str) -> Account:
    return Account(UUID(int=1), "Northwind", currency, "America/New_York", "active", START)


@st.composite
def stays(draw: st.DrawFn) -> list[BilledStay]:
    found = []
    for number in range(draw(st.integers(0, 30))):
        owner = draw(st.integers(0, 4))
        joined = START + timedelta(microseconds=draw(st.integers(0, 10**12)))
        duration = draw(st.integers(0, 10**10))
        found.append(
            BilledStay(
                UUID(int=number + 100),
                UUID(int=owner + 10),
                f"user {owner}",
                "Ada",
                "employee",
                UUID(int=owner * 10 + draw(st.integers(0, 2)) + 1000),
                "a room",
                "host",
                "4930123456",
                joined,
                joined + timedelta(microseconds=duration),
                duration,
                draw(st.integers(0, 10**6)),
                draw(st.decimals(0, 10**6, places=6)),
                "measured",
            )
        )
    return found


@given(stays(), st.sampled_from(["USD", "JPY", "KWD"]))
def test_every_level_is_the_exact_sum_of_the_one_below(found: list[BilledStay], currency: str) -> None:
    bill = statement.issue(account(currency), period.month("2026-11", "UTC"), found, 0, 0)
    assert bill.subtotal == sum((stay.amount for stay in found), Decimal(0))
    assert bill.subtotal == sum((line.amount for line in bill.lines), Decimal(0))
    for line in bill.lines:
        assert line.amount == sum((conference.amount for conference in line.conferences), Decimal(0))
        assert line.duration_us == sum(conference.duration_us for conference in line.conferences)
        assert line.billed_seconds == sum(conference.billed_seconds for conference in line.conferences)
        assert line.stays == sum(len(conference.participants) for conference in line.conferences)
        for conference in line.conferences:
            assert conference.amount == sum((stay.amount for stay in conference.participants), Decimal(0))
            assert {stay.sub_account_id for stay in conference.participants} == {line.sub_account_id}
    assert sorted(stay.id for line in bill.lines for c in line.conferences for stay in c.participants) == sorted(
        stay.id for stay in found
    )


@given(stays(), st.sampled_from(["USD", "JPY", "KWD"]))
def test_only_the_total_is_rounded_and_says_by_how_much(found: list[BilledStay], currency: str) -> None:
    bill = statement.issue(account(currency), period.month("2026-11", "UTC"), found, 0, 0)
    coins = money.minor_decimals(currency)
    assert bill.subtotal + bill.tax + bill.rounding == bill.total
    assert bill.total == money.rounded(bill.total, coins)
    assert abs(bill.rounding) <= Decimal(5).scaleb(-coins - 1)


def test_a_month_begins_and_ends_in_the_accounts_time_zone() -> None:
    span = period.month("2026-11", "America/New_York")
    assert (span.start, span.end) == (datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 12, 1, 5, tzinfo=UTC))


@given(st.integers(10**13, 4 * 10**15), st.sampled_from(["UTC", "Asia/Kolkata", "Pacific/Apia"]))
def test_every_instant_lies_in_its_month_alone(us: int, zone: str) -> None:
    instant = records.instant(us)
    span = period.month(period.month_of(instant, zone), zone)
    assert span.start <= instant < span.end


@pytest.mark.parametrize(
    "name",
    [
        "",
        "2026",
        "2026-13",
        "2026-00",
        "2026-1",
        "26-11",
        "2026-11-01",
        "9999-12",
        "\u0662\u0660\u0662\u0666-\u0661\u0661",
    ],
)
def test_what_is_no_month_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="period"):
        period.month(name, "UTC")


def test_an_instant_is_of_the_month_that_it_is_in_the_accounts_time_zone() -> None:
    at = datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC)
    assert [period.month_of(at, zone) for zone in ("America/New_York", "UTC")] == ["2026-10", "2026-11"]


def stay(number: int, owner: int, conference: int, at_s: int, amount: str) -> BilledStay:
    joined = START + timedelta(seconds=at_s)
    return BilledStay(
        UUID(int=number), UUID(int=owner), f"user {owner}", "Ada", "employee", UUID(int=conference), "a room",
        "host", "4930123456", joined, joined + timedelta(seconds=61), 61_000_000, 120, Decimal(amount), "measured",
    )  # fmt: skip


def test_a_statement_has_a_line_for_each_user_and_in_it_the_conferences_as_they_began() -> None:
    found = [
        stay(1, 12, 120, 0, "0.123"),
        stay(2, 11, 111, 900, "0.10"),
        stay(3, 11, 110, 60, "0.20"),
        stay(4, 11, 110, 0, "0.30"),
    ]
    bill = statement.issue(account("USD"), period.month("2026-11", "UTC"), found, 2, 1)
    ada, bob = bill.lines
    assert [(line.user_id, line.stays, line.amount) for line in bill.lines] == [
        ("user 11", 3, Decimal("0.60")),
        ("user 12", 1, Decimal("0.123")),
    ]
    assert [[one.id.int for one in each.participants] for each in ada.conferences] == [[4, 3], [2]]
    assert (ada.duration_us, ada.billed_seconds, bob.duration_us) == (183_000_000, 360, 61_000_000)
    assert (bill.subtotal, bill.tax, bill.rounding, bill.total) == (
        Decimal("0.723"),
        Decimal(0),
        Decimal("-0.003"),
        Decimal("0.72"),
    )
    assert (bill.unrated, bill.open) == (2, 1)
