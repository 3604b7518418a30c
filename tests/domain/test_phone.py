"""Telephone numbers: one form for each, whoever wrote it."""

import pytest

from bridge.domain import phone
from bridge.domain.errors import Invalid


@pytest.mark.parametrize("written", ["18005550100", "+1 (800) 555-0100", "1.800.555.0100"])
def test_an_access_number_is_kept_in_one_form(written: str) -> None:
    assert phone.number(written) == "18005550100"


@pytest.mark.parametrize("written", ["", "+", "abc", "1" * 21, "++1", "0800/123"])
def test_what_is_no_telephone_number_names_its_field(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        phone.number(written, "access_number")
    assert refused.value.field == "access_number"


def test_a_number_from_a_trunk_keeps_nothing_harmful() -> None:
    assert phone.clean('+49"30\n1;2') == "+493012"
    assert phone.clean("1" * 30) == "1" * 20
    assert phone.dialled("+4930123") == "4930123"


@pytest.mark.parametrize(
    ("one", "other", "unlike"),
    [
        ("+4930123456", "+4930123456", False),
        ("+4930123456", "030 123456", False),
        ("+4930123456", "+4930123457", True),
        ("+4930123456", "", False),
    ],
)
def test_numbers_are_unlike_if_both_are_known_and_end_differently(one: str, other: str, unlike: bool) -> None:
    assert phone.unlike(one, other, 8) is unlike
