"""The address of a client of REST, when requests come through the operator's own reverse proxies.

A proxy appends the address that it was called from to X-Forwarded-For. So the list is read from its right end: each
address there was written by the proxy to its right, and counts only as far as that proxy is trusted. What a client
wrote itself stands further left, and is never reached.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from bridge.domain.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SCHEMES: Final = frozenset({"http", "https"})


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, separated by commas. Raises Invalid."""
    return tuple(_network(each.strip()) for each in text.split(",")) if text.strip() else ()


def client(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the client's address: the rightmost one that is not that of a trusted proxy.

    `peer` is the address that the connection comes from, `forwarded_for` the values of the fields X-Forwarded-For in
    their order. If a trusted proxy wrote no address where one should be, its own address counts.
    """
    address = parse(peer)
    if address is None:
        return peer
    for hop in reversed([each for value in forwarded_for for each in value.split(",")]):
        before = parse(hop) if is_trusted(address, trusted) else None
        if before is None:
            break
        address = before
    return str(address)


def scheme(peer: str, forwarded_proto: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Return the scheme, http or https, that a trusted proxy was called by; None if none says so."""
    address = parse(peer)
    if address is None or not is_trusted(address, trusted) or not forwarded_proto:
        return None
    last = forwarded_proto[-1].rpartition(",")[2].strip().lower()
    return last if last in SCHEMES else None


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Return True for the address of a trusted proxy."""
    return any(address in network for network in trusted)


def parse(text: str) -> Address | None:
    """Return the address in a text, without a port; None if it is no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid("", f"{text[:60]!r} is no IP address and no network") from None
    if found.prefixlen == 0:
        raise Invalid("", f"{text!r} is everybody: any client could then name any address as its own")
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped:
        raise Invalid("", f"{text[:60]!r} is an IPv4 address in the form of IPv6: write it as IPv4")
    return found
