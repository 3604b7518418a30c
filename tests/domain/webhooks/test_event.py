"""Events and bodies of webhooks: their form and their order, and no digits in them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Invalid
from bridge.domain.metering.records import Stay
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Passcode, Room, State, SubAccount, SubAccountKind
from bridge.domain.webhooks import event as webhook
from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import KINDS, Conference, Event, EventKind

AT = datetime(2026, 11, 20, 11, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
A, B, C, D = (UUID(int=number) for number in range(1, 5))
DIGITS = "83920174"
PIN = "77120934"
CODE = Passcode(C, B, Role.GUEST, "live", AT, digits=DIGITS, has_pin=True, pin=PIN)
OWNER = SubAccount(B, A, "1001", "Ada", SubAccountKind.CLIENT, State.ACTIVE, AT, (Room(D, B, "Ada", (CODE,)),))
STAY = Stay(
    A, B, C, "1001", D, A, "node1-1.1", "guest", "4930123", "1800", "", AT, AT + timedelta(seconds=61), "hung_up",
    61_000_000, 66, Decimal("0.1600"), "EUR", "measured", 0,
)  # fmt: skip


def test_what_is_asked_for_comes_in_one_order_and_once() -> None:
    assert webhook.wanted(["participant.left", "passcode.created", "participant.left"]) == (
        "passcode.created",
        "participant.left",
    )
    assert webhook.wanted(["*"]) == ("*",)
    assert webhook.wanted(list(KINDS)) == tuple(kind.value for kind in KINDS)


@pytest.mark.parametrize("events", [[], ["ping"], ["sub_account"], ["*", "passcode.created"], ["PASSCODE.CREATED"]])
def test_what_there_is_not_cannot_be_asked_for(events: list[str]) -> None:
    with pytest.raises(Invalid, match="events"):
        webhook.wanted(events)


def test_the_body_of_an_event() -> None:
    event = webhook.of_owner(D, EventKind.PASSCODE_CREATED, AT, Owner(A, B), CODE)
    told = payload.payload(event)
    assert list(told) == ["id", "type", "created_at", "account_id", "data"]
    assert told["id"] == str(D)
    assert told["type"] == "passcode.created"
    assert told["created_at"] == "2026-11-20T10:00:00.000005Z"
    assert told["account_id"] == str(A)
    assert (told["data"]["role"], told["data"]["room_id"], told["data"]["has_pin"]) == ("guest", str(B), True)
    assert event.lane == str(B)


@given(st.sampled_from([CODE, OWNER, {"nested": [CODE]}, replace(CODE, label="x")]))
def test_no_digits_are_told(subject: object) -> None:
    text = orjson.dumps(payload.data(subject)).decode()
    assert DIGITS not in text
    assert PIN not in text
    assert '"digits"' not in text


def test_a_stay_is_told_as_its_minute_record_is() -> None:
    told = payload.data(STAY)
    assert told["joined_at"] == "2026-11-20T10:00:00.000005Z"
    assert (told["amount"], told["duration_us"], told["left_reason"]) == ("0.16", 61_000_000, "hung_up")
    assert payload.data(replace(STAY, amount=Decimal(1)))["amount"] == "1.00"
    assert payload.data(replace(STAY, amount=None, currency=None))["amount"] is None


def test_at_its_joining_nothing_of_its_end_is_known() -> None:
    told = payload.data(payload.at_joining(STAY))
    ends = ("left_at", "left_reason", "duration_us", "billed_seconds", "amount", "currency", "evidence")
    assert [told[name] for name in ends] == [None] * len(ends)
    assert (told["id"], told["role"], told["user_id"]) == (str(STAY.id), "guest", "1001")


def test_a_conference_is_told_with_its_ends() -> None:
    event = Event(D, EventKind.CONFERENCE_STARTED, AT, A, "lane", Conference(A, B, C, D, AT.astimezone(UTC)))
    assert payload.payload(event)["data"] == {
        "id": str(A),
        "account_id": str(B),
        "sub_account_id": str(C),
        "room_id": str(D),
        "started_at": "2026-11-20T10:00:00.000005Z",
        "ended_at": None,
        "stays": None,
    }


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("active", "active", "updated"),
        ("suspended", "suspended", "updated"),
        ("active", "suspended", "suspended"),
        ("suspended", "active", "resumed"),
        ("active", "closed", "closed"),
        ("suspended", "closed", "closed"),
        ("closed", "closed", "updated"),
    ],
)
def test_what_a_change_of_a_sub_account_is_called(before: str, after: str, kind: str) -> None:
    assert webhook.kind_of_change(State(before), State(after)) == f"sub_account.{kind}"


def test_guessing_is_the_operators_business() -> None:
    begun = webhook.guessing(D, AT, "18005550100", 61.4, begun=True)
    ended = webhook.guessing(D, AT, None, 2.0, begun=False)
    assert (begun.kind, ended.kind) == (EventKind.GUESSING_DETECTED, EventKind.GUESSING_ENDED)
    assert begun.account_id is None
    assert begun.lane == ended.lane
    assert payload.payload(begun)["data"] == {"access_number": "18005550100", "wrong_a_minute": 61}


def test_values_within_values_have_the_same_form() -> None:
    assert payload.data({"at": [AT, Role.GUEST], "owner": Owner(A)}) == {
        "at": ["2026-11-20T10:00:00.000005Z", "guest"],
        "owner": {"account_id": str(A), "sub_account_id": None},
    }


def test_a_label_is_a_line_or_empty() -> None:
    assert [webhook.labelled(text) for text in (" CRM ", "", "  ")] == ["CRM", "", ""]
    with pytest.raises(Invalid, match="label"):
        webhook.labelled("two\nlines")
