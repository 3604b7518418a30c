"""Targets that webhooks may not have."""

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.errors import Invalid
from bridge.domain.webhooks import target

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]
INSIDE = [
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "239.1.1.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "192.0.0.8",
    "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "fec0::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:53aa:64c:0:0:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet(address: str) -> None:
    assert target.is_public(ip_address(address))


@pytest.mark.parametrize("address", INSIDE)
def test_anything_else(address: str) -> None:
    assert not target.is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(inner: IPv4Address) -> None:
    number = int(inner)
    for outer in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert target.is_public(ip_address(outer.to_bytes(16, "big"))) == target.is_public(inner)


@pytest.mark.parametrize(
    "text",
    ["https://example.com", "https://example.com:8443/a/b?c=d%20e", "HTTPS://Example.com/", "https://[2606:2800::1]/"],
)
def test_urls_that_are_taken(text: str) -> None:
    assert target.url(text, private=False) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "http://example.com/", "ftp://example.com/", "https://", "https:///a", "https://a b/",
        "https://user:word@example.com/", "https://user@example.com/", "https://example.com/#part",
        "https://exämple.com/", "https://example.com:0/", "https://example.com:70000/", "https://example.com/\n",
        "https://[::1", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3:8443/", "https://[::ffff:10.0.0.1]/",
        "https://example.com\\@10.0.0.1/", "https://example.com/" + "a" * 2000,
    ],
)  # fmt: skip
def test_urls_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="url"):
        target.url(text, private=False)


def test_an_operator_may_allow_their_own_network() -> None:
    for text in ("http://127.0.0.1:8000/hook", "https://10.1.2.3/", "http://receiver.internal/"):
        assert target.url(text, private=True) == text
    for text in ("ftp://10.1.2.3/", "http://user@10.1.2.3/"):
        with pytest.raises(Invalid):
            target.url(text, private=True)
