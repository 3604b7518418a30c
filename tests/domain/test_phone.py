"""Telephone numbers: one form for each, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("written", "country", "canonical"),
    [
        ("+4930123456", "", "+4930123456"),
        ("4930123456", "", "+4930123456"),
        ("004930123456", "", "+4930123456"),
        ("+49 (30) 123-456", "US", "+4930123456"),
        ("030/123456", "DE", "+4930123456"),
        ("0049 30 123456", "DE", "+4930123456"),
        ("011 49 30 123456", "US", "+4930123456"),
        ("8005550100", "US", "+18005550100"),
        ("18005550100", "us", "+18005550100"),
        ("0612345678", "IT", "+390612345678"),
        ("sip:+4930123456@carrier.example;user=phone", "", "+4930123456"),
        ("+4930123456;rn=+49301;npdi", "", "+4930123456"),
        ("tel:+49-30-123456;ext=7", "", "+4930123456"),
        ("tel:123456;phone-context=+4930", "", "+4930123456"),
        ("tel:7042;phone-context=carrier.example", "US", "7042"),
        # No possible number: it stays as it was sent, and equals no E.164 number.
        ("201", "DE", "201"),
        ("201", "", "201"),
        ("+4", "", "+4"),
        ("1" * 20, "", "1" * 20),
        # No number at all.
        ("c8oqz84zk7z", "DE", ""),
        ("550e8400-e29b-41d4-a716-446655440000", "", ""),
        ("Anonymous", "", ""),
        ("266696687", "US", ""),
        ("+266696687", "", ""),
        ("7378742883", "US", ""),
        ("0000000", "DE", ""),
        ("+", "", ""),
        ("++49", "", ""),
        ("", "DE", ""),
        ("9" * 40, "", ""),
        ("%5C%0A${EXTEN}", "", ""),
        ("4930\n123456", "", ""),
        ("٠٣٠١٢٣٤٥٦", "DE", ""),
    ],
)
def test_a_caller_is_compared_in_one_form(written: str, country: str, canonical: str) -> None:
    assert phone.caller(written, country) == canonical


def test_operators_may_add_to_what_is_taken_for_withheld() -> None:
    assert phone.caller("12345678", "", phone.WITHHELD | {"12345678"}) == ""


@given(st.text(st.sampled_from("+0123456789"), max_size=22), st.sampled_from(["", "DE", "US", "IT", "GB", "RU", "XX"]))
def test_the_one_form_of_a_canonical_number_is_itself(written: str, country: str) -> None:
    canonical = phone.caller(written, country)
    assert phone.caller(canonical, country) == canonical
    assert phone.caller(canonical) in (canonical, f"+{canonical}") or not canonical.startswith("+")


@given(st.integers(1, 10**14 - 1), st.sampled_from(["", "DE", "US", "IT", "GB", "RU", "BR"]))
def test_every_spelling_of_a_number_is_read_as_that_number(digits: int, country: str) -> None:
    """Where a country is set, bare digits are national first, and 00 need not be its prefix for calls abroad."""
    canonical = phone.caller(f"+{digits}", country)
    spellings = phone.spellings(canonical, country)
    assert canonical in spellings
    assert {phone.caller(spelling) for spelling in spellings if spelling.startswith("+")} <= {canonical}
    if not country:
        assert {phone.caller(spelling) for spelling in spellings} == {canonical}


@pytest.mark.parametrize(
    ("canonical", "country", "spelling"),
    [
        ("+4930123456", "DE", "030123456"),
        ("+4930123456", "", "4930123456"),
        ("+18005550100", "US", "8005550100"),
        ("+4930123456", "US", "004930123456"),
        ("+18005550100", "US", "01118005550100"),
        ("201", "DE", "201"),
        ("", "DE", ""),
    ],
)
def test_records_of_before_are_found_in_the_form_they_were_written_in(
    canonical: str, country: str, spelling: str
) -> None:
    assert spelling in phone.spellings(canonical, country)


@pytest.mark.parametrize("written", ["+4930123456", "4930123456", "0049 30 123456", "030/123456", "tel:+49-30-123456"])
def test_a_caller_is_found_however_the_number_is_written(written: str) -> None:
    assert {"+4930123456", "4930123456", "030123456"} <= phone.CallerNumbers("DE").searched(written)


def test_digits_of_old_records_are_found_as_they_stand() -> None:
    assert "550840029414" in phone.CallerNumbers("DE").searched("550840029414")
    assert phone.EVERYWHERE.searched("") == {""}
    assert "266696687" in phone.EVERYWHERE.searched("266696687")


@pytest.mark.parametrize(
    ("written", "told"),
    [(" 4930123456", "%2B"), ("abc", "1 to 20 digits"), ("1" * 21, "1 to 20 digits"), ("0", "1 to 20 digits")],
)
def test_what_cannot_be_searched_for_says_why(written: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        phone.EVERYWHERE.searched(written)
    assert refused.value.field == "caller"


def test_countries_are_those_of_iso_3166() -> None:
    assert phone.is_country("DE")
    assert not any(map(phone.is_country, ("de", "XX", "", "GER")))


@pytest.mark.parametrize(
    ("number", "digits", "masked"),
    [("+4930123456", 3, "+4930123***"), ("201", 3, "***"), ("20", 3, "**"), ("", 3, ""), ("+4930", 9, "+****")],
)
def test_masking_hides_the_last_digits(number: str, digits: int, masked: str) -> None:
    assert phone.masked(number, digits) == masked


def test_an_installation_reads_numbers_by_its_country_and_its_placeholders() -> None:
    numbers = phone.CallerNumbers("DE", phone.WITHHELD | {"12345678"})
    assert numbers.canonical("030 123456") == numbers.canonical("+4930123456") == "+4930123456"
    assert numbers.canonical("12345678") == numbers.canonical("anonymous") == ""
    assert numbers.canonical("201") == "201"
    assert {"4930123456", "030123456", "004930123456"} <= numbers.stored("+4930123456")
    assert numbers.stored("201") == {"201"}
    assert "030123456" in numbers.searched("+4930123456")
    assert phone.EVERYWHERE.canonical("030123456") == "030123456"
