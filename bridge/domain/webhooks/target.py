"""Allowed targets of webhooks: never in the operator's own network, unless the operator allows that.

Otherwise an account could make the daemon send requests to services behind the firewall (SSRF).
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from bridge.domain.errors import Invalid

URL_MAX: Final = 2000
_ALLOWED: Final = re.compile(r"[!-~]+")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last four bytes are an IPv4 address."""
_UNICAST: Final = IPv6Network("2000::/3")
_SPECIAL: Final = IPv4Network("192.0.0.0/24")
"""Reserved for protocols (RFC 6890). Versions of Python differ on whether parts of it are global."""


def url(text: str, private: bool) -> str:
    """Check a URL for webhooks, and return it. `private` allows http and addresses of one's own network.

    The address that a host's name resolves to is checked at each connection. Raises Invalid.
    """
    if not 1 <= len(text) <= URL_MAX or not _ALLOWED.fullmatch(text):
        raise Invalid("url", f"1 to {URL_MAX} visible ASCII characters; other characters percent-encoded")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Invalid("url", "this is no URL that can be understood") from None
    if parts.scheme not in ({"https", "http"} if private else {"https"}):
        raise Invalid("url", "begin it with https://" + (" or http://" if private else ""))
    if not host or port == 0 or "\\" in text:
        raise Invalid("url", "name a host, such as https://example.com/hook")
    if "@" in parts.netloc:
        raise Invalid("url", "no user or password belongs into it: messages are signed")
    if "#" in text:
        raise Invalid("url", "leave out the part from # on: it is never sent")
    try:
        address = ip_address(host)
    except ValueError:
        return text
    if not private and not is_public(address):
        raise Invalid("url", "this address is not on the public internet")
    return text


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return True if an address is on the public internet. An IPv6 address that embeds an IPv4 one is judged by it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
        if address.teredo is not None:
            return False
        if address in _TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        return address in _UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _SPECIAL
