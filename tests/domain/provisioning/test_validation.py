"""What people may write, and in which form it is kept."""

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import text
from bridge.domain.errors import Invalid
from bridge.domain.provisioning import validation


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
        ("greeting", "a/b"),
        ("code", "12a"),
        ("time_zone", "nowhere"),
        ("currency", "EURO"),
        ("number", "abc"),
    ],
)
def test_what_is_refused_names_its_field(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        validation.checked({field: value})
    assert refused.value.field == field


def test_what_is_left_out_stays_out() -> None:
    assert validation.checked({"max_callers": None, "greeting": ""}) == {"max_callers": None, "greeting": ""}
