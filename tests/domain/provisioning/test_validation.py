"""Validation of what people enter, and the form in which it is stored."""

import contextlib
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import text
from bridge.domain.errors import Invalid
from bridge.domain.provisioning import validation
from bridge.domain.provisioning.changes import (
    AccountFields,
    PasscodeChanges,
    RoomChanges,
    SubAccountChanges,
    SubAccountFields,
)
from bridge.domain.provisioning.changes import given as given_fields
from bridge.domain.provisioning.tenants import PasscodeTerms

AT = datetime(2026, 11, 1, tzinfo=UTC)


@given(st.text(max_size=80))
def test_a_name_is_kept_in_one_form_or_refused(given_name: str) -> None:
    kept = "refused"
    with contextlib.suppress(Invalid):
        kept = text.name(given_name)
    assert kept == text.name(kept) == unicodedata.normalize("NFC", kept)
    assert kept == kept.strip()
    assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"} for character in kept)


def test_names_that_look_alike_are_the_same() -> None:
    assert text.name("Zoe\u0308 ") == text.name("Zoë") == "Zoë"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "\x1b[2J"),
        ("user_id", "\u202eevil"),
        ("max_callers", 0),
        ("max_participants", 10_001),
        ("labels", {"": "x"}),
        ("labels", {"k" * 41: "x"}),
        ("labels", {"k": ""}),
        ("labels", {f"k{number}": "x" for number in range(21)}),
        ("valid_from", datetime(2026, 11, 1)),  # noqa: DTZ001 -- a time without a zone is what is refused
        ("greeting", "a/b"),
        ("code", "12a"),
        ("time_zone", "nowhere"),
        ("currency", "EURO"),
        ("number", "abc"),
    ],
)
def test_what_is_refused_names_its_field(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        validation.field(field, value)
    assert refused.value.field == field


def test_what_is_left_out_stays_out() -> None:
    changes = SubAccountChanges(max_callers=None, name=" Zoe\u0308 ")
    kept = validation.checked(changes)
    assert kept == SubAccountChanges(max_callers=None, name="Zoë")
    assert given_fields(kept) == {"name": "Zoë", "max_callers": None}
    assert given_fields(RoomChanges()) == {}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (AccountFields("x", "EUR", "nowhere"), "time_zone"),
        (SubAccountFields("1", "x", max_callers=0), "max_callers"),
        (PasscodeChanges(label="x" * 101), "label"),
        (PasscodeTerms(max_uses=0), "max_uses"),
    ],
)
def test_each_field_of_a_value_is_checked(value: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        validation.checked(value)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("valid_until", AT, AT),
        ("valid_until", None, None),
        ("greeting", "welcome_2", "welcome_2"),
        ("greeting", "", ""),
        ("code", "0042", "0042"),
        ("number", "+1 800 555-0100", "18005550100"),
        ("currency", "eur", "EUR"),
    ],
)
def test_what_is_taken_is_kept_in_its_usual_form(field: str, value: object, kept: object) -> None:
    assert validation.field(field, value) == kept


@pytest.mark.parametrize(("begin", "end"), [(None, None), (AT, None), (None, AT), (AT, AT + timedelta(seconds=1))])
def test_a_passcode_may_be_valid_from_a_time_up_to_a_later_one(begin: datetime | None, end: datetime | None) -> None:
    terms = PasscodeTerms(valid_from=begin, valid_until=end)
    assert validation.window(terms) is terms


@pytest.mark.parametrize("end", [AT, AT - timedelta(seconds=1)])
def test_a_passcode_that_would_never_be_valid_is_refused(end: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        validation.window(PasscodeTerms(valid_from=AT, valid_until=end))
    assert refused.value.field == "valid_until"
