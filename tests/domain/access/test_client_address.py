"""Addresses of clients behind proxies: only what a trusted proxy wrote counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.access.client_address import client, networks, parse, scheme
from bridge.domain.errors import Invalid

TRUSTED = networks("10.0.0.1, 192.0.2.0/24,2001:db8::/32")
PROXY, CLIENT, FORGED = "10.0.0.1", "198.51.100.9", "203.0.113.5"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "found"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, [FORGED], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"{FORGED}, {CLIENT}"], CLIENT),
        (PROXY, [FORGED, CLIENT], CLIENT),
        (PROXY, [f"{FORGED}, {CLIENT}, 192.0.2.7"], CLIENT),
        (PROXY, [f"192.0.2.8,{PROXY}", "2001:db8::1"], "192.0.2.8"),
        (PROXY, [f"{CLIENT}, unknown"], PROXY),
        (PROXY, [f"{CLIENT}, unknown, 192.0.2.7"], "192.0.2.7"),
        (PROXY, [""], PROXY),
        (PROXY, [f"{CLIENT}:4711"], CLIENT),
        (PROXY, ["[2001:db9::7]:4711"], "2001:db9::7"),
        (f"::ffff:{PROXY}", [f"::ffff:{CLIENT}"], CLIENT),
        ("", [CLIENT], ""),
        ("a socket", [CLIENT], "a socket"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_counts(peer: str, forwarded_for: list[str], found: str) -> None:
    assert client(peer, forwarded_for, TRUSTED) == found


@pytest.mark.parametrize("peer", [CLIENT, PROXY])
def test_without_trusted_proxies_the_peer_counts(peer: str) -> None:
    assert client(peer, [FORGED], ()) == peer
    assert scheme(peer, ["https"], ()) is None


@given(st.lists(st.text(max_size=40), max_size=5))
def test_what_a_client_sends_changes_nothing(sent: list[str]) -> None:
    assert client(CLIENT, sent, TRUSTED) == CLIENT
    assert client(PROXY, [*sent, CLIENT], TRUSTED) == CLIENT


@pytest.mark.parametrize(
    ("peer", "forwarded_proto", "found"),
    [
        (PROXY, ["https"], "https"),
        (PROXY, ["http, HTTPS "], "https"),
        (PROXY, ["https", "http"], "http"),
        (PROXY, [], None),
        (PROXY, ["gopher"], None),
        (CLIENT, ["https"], None),
        ("", ["https"], None),
    ],
)
def test_the_scheme_is_read_from_a_trusted_proxy_alone(
    peer: str, forwarded_proto: list[str], found: str | None
) -> None:
    assert scheme(peer, forwarded_proto, TRUSTED) == found


def test_networks_are_read() -> None:
    assert networks(" ") == ()
    assert [str(each) for each in networks("10.0.0.1, 10.1.2.3/16,::1")] == ["10.0.0.1/32", "10.1.0.0/16", "::1/128"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("proxy.example", "no IP address"),
        ("10.0.0.1,,", "no IP address"),
        ("0.0.0.0/0", "everybody"),
        ("::/0", "everybody"),
        ("::ffff:10.0.0.1", "write it as IPv4"),
    ],
)
def test_what_is_no_network_is_named(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        networks(text)


def test_an_address_may_have_a_zone_or_a_port() -> None:
    assert str(parse("fe80::1%eth0")) == "fe80::1%eth0"
    assert str(parse(" 192.0.2.7:80 ")) == "192.0.2.7"
    assert parse("[::1") is not None
    assert parse(":") is None
