"""Trunks: what a field may hold, what goes together, and whose an address is."""

import ipaddress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import trunk as trunk_rules
from bridge.domain.provisioning.trunk import Transport, Trunk

NETWORKS = st.ip_addresses(v=4).flatmap(
    lambda address: st.integers(8, 32).map(lambda bits: ipaddress.ip_network((address, bits), strict=False))
)


def trunk(**about: Any) -> Trunk:
    return Trunk(uuid4(), "acme", datetime.now(UTC), **{"addresses": ("192.0.2.7",), **about})


def test_addresses_come_in_one_form_each_once() -> None:
    given = ["192.0.2.7", " 192.0.2.7/32", "198.51.100.9/24", "2001:DB8::7"]
    assert trunk_rules.addresses("addresses", given) == ("192.0.2.7", "198.51.100.0/24", "2001:db8::7")


@pytest.mark.parametrize(
    "bad",
    [
        "10.0.0.300",
        "10.0.0.0/33",
        "/",
        "",
        "sip.carrier.example",
        "0.0.0.0/0",
        "::/0",
        "::ffff:10.0.0.1",
        "10.0.0.1;match=0.0.0.0/0",
    ],
)
def test_a_bad_address_is_named(bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        trunk_rules.addresses("addresses", ["192.0.2.1", bad])
    assert refused.value.field == "addresses"


@pytest.mark.parametrize(
    "good",
    ["", "sip.carrier.example", "sip.carrier.example:5061", "192.0.2.7:5060", "[2001:db8::7]:5061", "[2001:db8::7]"],
)
def test_a_registrar_is_a_host_perhaps_with_a_port(good: str) -> None:
    assert trunk_rules.registrar(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "sip:carrier.example",
        "carrier..example",
        "a b",
        "host:0",
        "host:70000",
        "10.0.0.300",
        "2001:db8::7",
        "host\nmatch=0.0.0.0/0",
        "host;transport=tls",
        "[host]",
    ],
)
def test_what_is_no_registrar_is_refused(bad: str) -> None:
    with pytest.raises(Invalid):
        trunk_rules.registrar(bad)


@pytest.mark.parametrize("bad", ["", "a;b", "a\\b", "a b", "ä", "\n", ">a", "x" * 129])
def test_a_password_that_asterisk_would_read_otherwise_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        trunk_rules.password(bad)
    assert not bad.strip() or f"'{bad}'" not in str(refused.value)


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        ("country", "XX"),
        ("country", "Germany"),
        ("prefix", "00a"),
        ("username", "a b"),
        ("username", "a;b"),
        ("public_address", "host"),
        ("codecs", []),
    ],
)
def test_other_fields_name_what_is_wrong(check: str, bad: Any) -> None:
    with pytest.raises(Invalid) as refused:
        getattr(trunk_rules, check)(bad)
    assert refused.value.field == check


def test_fields_that_have_a_usual_form_get_it() -> None:
    assert trunk_rules.country(" de ") == "DE"
    assert trunk_rules.public_address("2001:DB8::1") == "2001:db8::1"
    assert [str(each) for each in trunk_rules.codecs(["g722", "alaw", "g722"])] == ["g722", "alaw"]
    assert (trunk_rules.prefix("+49"), trunk_rules.username("user@example.com")) == ("+49", "user@example.com")


@pytest.mark.parametrize(
    ("field", "about"),
    [
        ("addresses", {"addresses": ()}),
        ("addresses", {"addresses": ("192.0.2.7", "2001:db8::7")}),
        ("username", {"registrar": "sip.example", "has_password": True}),
        ("password", {"registrar": "sip.example", "username": "u"}),
        ("public_address", {"public_address": "2001:db8::1"}),
        ("srtp", {"srtp": True}),
    ],
)
def test_fields_that_do_not_go_together_are_refused(field: str, about: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        trunk_rules.check(trunk(**about))
    assert refused.value.field == field


def test_three_ways_of_knowing_a_trunk() -> None:
    for about in (
        {},
        {"addresses": (), "registrar": "sip.example", "username": "u", "has_password": True},
        {"addresses": (), "has_password": True, "transport": Transport.TLS, "srtp": True},
    ):
        trunk_rules.check(trunk(**about))
    assert trunk(addresses=(), has_password=True).logs_in
    assert not trunk().logs_in


def test_a_trunk_is_of_one_ip_version() -> None:
    assert trunk(addresses=("2001:db8::7",)).ipv6
    assert trunk(addresses=(), registrar="[2001:db8::7]:5060").ipv6
    assert not trunk(registrar="sip.example").ipv6
    assert trunk(transport=Transport.TLS).secure


def test_two_trunks_have_no_address_in_common() -> None:
    one = trunk(addresses=("192.0.2.0/24", "198.51.100.1"))
    assert trunk_rules.shared(one, trunk(addresses=("203.0.113.1", "192.0.2.9"))) == "192.0.2.9/32"
    assert trunk_rules.shared(one, trunk(addresses=("192.0.0.0/16",))) == "192.0.2.0/24"
    assert trunk_rules.shared(one, trunk(addresses=("203.0.113.1",))) is None
    assert trunk_rules.shared(one, trunk(addresses=("2001:db8::7",))) is None


@given(st.lists(NETWORKS, max_size=4), st.lists(NETWORKS, max_size=4), st.ip_addresses(v=4))
def test_what_is_left_of_networks_is_exactly_what_nobody_else_has(had: list[Any], taken: list[Any], one: Any) -> None:
    left = trunk_rules.without(had, taken)
    assert any(one in each for each in left) == (
        any(one in each for each in had) and not any(one in each for each in taken)
    )
    for network in taken:
        assert not any(each.overlaps(network) for each in left)


def test_networks_of_two_ip_versions_do_not_meet() -> None:
    six = ipaddress.ip_network("2001:db8::/32")
    assert trunk_rules.without([six], [ipaddress.ip_network("0.0.0.0/1")]) == [six]


@pytest.mark.parametrize(
    ("channel", "found"),
    [
        ("PJSIP/5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11-0000002a", "5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11"),
        ("PJSIP/trunk-0000002a", ""),
        ("PJSIP/trunk6-0000002a", ""),
        ("Local/5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11@x-0;1", ""),
        ("", ""),
    ],
)
def test_a_channel_names_its_trunk(channel: str, found: str) -> None:
    assert trunk_rules.of_channel(channel) == found
    assert not found or UUID(found)
