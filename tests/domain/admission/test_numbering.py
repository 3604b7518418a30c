"""What a trunk means by the numbers that it sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import phone
from bridge.domain.admission import number_advice, numbering
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.provisioning.trunk import NumberForm

US = Numbering(NumberForm.NATIONAL, "US")
DE = Numbering(NumberForm.NATIONAL, "DE")
E164 = Numbering()


@pytest.mark.parametrize(
    ("how", "sent", "first"),
    [
        (E164, "18005550100", "18005550100"),
        (E164, "+18005550100", "18005550100"),
        (E164, "sip:+18005550100@203.0.113.5;user=phone", "18005550100"),
        (E164, '"Sales <18>" <sip:18005550100;npdi@203.0.113.5>;tag=1', "18005550100"),
        (E164, "tel:+1-800-555-0100", "18005550100"),
        (US, "8005550100", "18005550100"),
        (US, "18005550100", "18005550100"),
        (US, "01118005550100", "18005550100"),
        (US, "+18005550100", "18005550100"),
        (DE, "030123456", "4930123456"),
        (Numbering(prefix="9901"), "990118005550100", "18005550100"),
        (Numbering(prefix="9901"), "18005550100", "18005550100"),
        (DE, "201", "201"),
        (Numbering(country="DE"), "030123456", "030123456"),
    ],
)
def test_the_dialled_number_is_read_in_the_trunks_form(how: Numbering, sent: str, first: str) -> None:
    assert next(how.dialled(sent)) == first


def test_an_international_prefix_is_tried_too() -> None:
    assert list(E164.dialled("0018005550100")) == ["0018005550100", "18005550100"]


@pytest.mark.parametrize(
    "sent",
    ["", "+", "alice", "alice7", "1" * 21, "1" * 40, "\n18005550100", "18005550100\n", "<sip:@x>", "${EXTEN}", "%5C"],
)
def test_what_is_no_number_is_none(sent: str) -> None:
    assert list(E164.dialled(sent)) == []
    assert numbering.digits(sent) == ""


@given(st.text(max_size=60))
def test_whatever_is_sent_only_digits_come_out(sent: str) -> None:
    for how in (E164, US, DE):
        assert all(form.isdecimal() and form.isascii() and len(form) <= phone.MAX_DIGITS for form in how.dialled(sent))
        caller = how.caller(sent)
        assert caller == "" or caller.lstrip("+").isdecimal()


@pytest.mark.parametrize(
    ("how", "sent", "caller"),
    [
        (DE, "030123456", "+4930123456"),
        (E164, "4930123456", "+4930123456"),
        (Numbering(country="DE"), "4930123456", "+4930123456"),
        (Numbering(country="DE"), "030123456", "+4930123456"),
        (Numbering(country="US"), "004930123456", "+4930123456"),
        (E164, "030123456", "030123456"),
        (E164, "30123456;phone-context=+49", "+4930123456"),
        (DE, "201", "201"),
        (E164, "c8oqz84zk7z", ""),
        (Numbering(withheld=phone.WITHHELD | {"12345678"}), "12345678", ""),
        (E164, "+266696687", ""),
    ],
)
def test_the_caller_is_read_in_the_trunks_form(how: Numbering, sent: str, caller: str) -> None:
    assert how.caller(sent) == caller


def test_audio_goes_only_where_the_trunk_says() -> None:
    trunk = IncomingTrunk("", "", E164, media_networks=("192.0.2.0/24", "2001:db8::/32"))
    assert trunk.takes_media("192.0.2.9")
    assert trunk.takes_media("2001:db8::9")
    assert not any(map(trunk.takes_media, ("203.0.113.1", "", "host", "0.0.0.0")))
    assert trunk.uuid is None


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("8005550100", "set its form to national, country US"),
        ("990118005550100", "set its prefix to 9901"),
        ("5550100", "have the trunk send it so, or add 5550100 as an access number"),
        ("4930999", None),
        ("18005550100", None),
        ("", None),
    ],
)
def test_the_operator_is_told_what_to_set(sent: str, says: str | None) -> None:
    said = number_advice.advice("acme", sent, ["4930123456", "18005550100"])
    assert (
        said is None if says is None else said == f"trunk acme sends {sent}; the access number is 18005550100: {says}"
    )


def test_a_german_number_is_german() -> None:
    assert str(number_advice.advice("t", "030123456", ["4930123456"])).endswith("set its form to national, country DE")


def test_an_access_number_that_is_of_no_country_is_given_no_form() -> None:
    said = number_advice.advice("t", "9995550100", ["0005550100"])
    assert str(said).endswith("have the trunk send it so, or add 9995550100 as an access number")
