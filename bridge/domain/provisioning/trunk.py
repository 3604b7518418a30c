"""SIP trunks: who may deliver calls to the bridge, over which way, and how a carrier writes numbers.

Every check of a field raises Invalid with its name. Texts end in Asterisk's configuration, so that each is reduced to
the few characters that its kind has.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from bridge.domain import phone
from bridge.domain.errors import Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DOCTOR: Final = ipaddress.ip_network("127.0.0.53/32")
"""The address of the doctor's own calls, which is no trunk's."""
ADDRESSES_MAX: Final = 100
CALLS_MAX: Final = 10_000
SIP_PORT: Final = 5060
SIPS_PORT: Final = 5061
_HOST: Final = re.compile(r"(?=.{1,253}$)[0-9A-Za-z]([0-9A-Za-z-]{0,62}(\.[0-9A-Za-z-]{1,63})*\.?)?")
_REGISTRAR: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z.-]{1,253})(:(?P<port>[0-9]{1,5}))?")
_USER: Final = re.compile(r"[0-9A-Za-z@.+_~-]{1,100}")
_PASSWORD: Final = re.compile(r"(?!>)[!-:<-\[\]-~]{1,128}")
_PREFIX: Final = re.compile(r"\+?[0-9]{0,10}")


class Transport(StrEnum):
    """The protocol that carries a trunk's SIP."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Codec(StrEnum):
    """A way in which audio is coded on the wire."""

    ULAW = "ulaw"
    ALAW = "alaw"
    G722 = "g722"


class Dtmf(StrEnum):
    """The way in which a trunk sends keys. AUTO: RFC 4733 where the call's offer has it, else tones in the audio."""

    AUTO = "auto"
    RFC4733 = "rfc4733"
    INFO = "info"
    INBAND = "inband"


class NumberForm(StrEnum):
    """The form in which a trunk sends numbers.

    E164: international, with or without + or 00. NATIONAL: as they are dialled within the trunk's country; numbers with
    + or the country's prefix for international calls are international all the same.
    """

    E164 = "e164"
    NATIONAL = "national"


class NumberSource(StrEnum):
    """The part of an INVITE in which a trunk says what was dialled."""

    REQUEST_URI = "request_uri"
    TO = "to"
    P_CALLED_PARTY_ID = "p_called_party_id"
    DIVERSION = "diversion"


class SessionTimers(StrEnum):
    """Session timers (RFC 4028): none, where the trunk supports them too, or required of every call."""

    OFF = "off"
    ON = "on"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Trunk:
    """A SIP trunk, without its password.

    Calls come from `addresses` (addresses and networks, all of one IP version), or over a registration at `registrar`
    (host, or host:port) as `username`; or both. With neither, whoever calls logs in at the bridge, with the trunk's id
    as the user. `has_password` tells whether a password is kept for one or the other.

    With `srtp` a call without encrypted audio is refused. `prefix` is cut off each dialled number. `country` (ISO 3166)
    is where national numbers are from, empty for that of the installation. With `trust_identity` the caller is whom the
    trunk asserts (P-Asserted-Identity, RFC 3325); with `record_private` the caller's number is kept even if the caller
    asks for privacy. `media_networks` are where audio must go to and come from; without any, anywhere. `public_address`
    stands in the bridge's SDP in place of its own. `max_calls` and `max_dialogues` bound the calls at a time, and those
    of them that are in the dialogue; None is no limit.
    """

    id: UUID
    name: str
    created_at: datetime
    addresses: tuple[str, ...] = ()
    registrar: str = ""
    username: str = ""
    has_password: bool = False
    transport: Transport = Transport.UDP
    srtp: bool = False
    codecs: tuple[Codec, ...] = (Codec.ULAW, Codec.ALAW)
    dtmf: Dtmf = Dtmf.AUTO
    number_form: NumberForm = NumberForm.E164
    prefix: str = ""
    country: str = ""
    number_source: NumberSource = NumberSource.REQUEST_URI
    trust_identity: bool = False
    record_private: bool = False
    media_networks: tuple[str, ...] = ()
    rtp_symmetric: bool = True
    session_timers: SessionTimers = SessionTimers.ON
    reliable_provisional: bool = False
    public_address: str = ""
    max_calls: int | None = None
    max_dialogues: int | None = None
    version: int = 1

    @property
    def ipv6(self) -> bool:
        """Return True if audio and SIP go over IPv6."""
        return any(":" in each for each in self.addresses) or self.registrar.startswith("[")

    @property
    def logs_in(self) -> bool:
        """Return True if callers log in at the bridge."""
        return not self.addresses and not self.registrar

    @property
    def secure(self) -> bool:
        """Return True if calls without TLS are refused."""
        return self.transport is Transport.TLS


# --- Checks of fields ---------------------------------------------------------------------------------------------
def addresses(field: str, given: Sequence[str]) -> tuple[str, ...]:
    """IP addresses and networks in their usual form, each once, in order. Raises Invalid."""
    if len(given) > ADDRESSES_MAX:
        raise Invalid(field, f"at most {ADDRESSES_MAX} addresses and networks")
    return tuple(str(each) if each.num_addresses > 1 else str(each.network_address) for each in _networks(field, given))


def _networks(field: str, given: Iterable[str]) -> list[Network]:
    return list(dict.fromkeys(network(field, each) for each in given))


def network(field: str, given: str) -> Network:
    """The network of an IP address or network. Raises Invalid."""
    try:
        found = ipaddress.ip_network(given.strip(), strict=False)
    except ValueError:
        raise Invalid(
            field,
            f"{given[:60]!r} is no IP address and no network; a host name cannot stand here, since SIP requests come "
            "with addresses",
        ) from None
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped:
        raise Invalid(field, f"{given[:60]!r} is an IPv4 address in the form of IPv6: write it as IPv4")
    if found.version == DOCTOR.version and found.overlaps(DOCTOR) and found.prefixlen > 8:
        raise Invalid(field, f"{DOCTOR.network_address} is the address of the doctor's own calls")
    if found.prefixlen == 0:
        raise Invalid(field, f"{given[:60]!r} is everybody: anyone on the network could call")
    return found


def registrar(given: str) -> str:
    """A host, or host:port, to register at; empty for none. An IPv6 address stands in brackets. Raises Invalid."""
    found = _REGISTRAR.fullmatch(given.strip())
    if not given.strip():
        return ""
    if found is None or not _is_host(found["host"]) or not 0 < int(found["port"] or SIP_PORT) < 65536:
        raise Invalid("registrar", "a host name or an address, perhaps with a port, such as sip.example.com:5061")
    return given.strip()


def _is_host(host: str) -> bool:
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare).version == (6 if host.startswith("[") else 4)
    except ValueError:
        return not re.fullmatch(r"[0-9.]+", bare) and _HOST.fullmatch(bare) is not None


def username(given: str) -> str:
    """The user of a registration; empty for none. Raises Invalid."""
    if given and not _USER.fullmatch(given):
        raise Invalid("username", "1 to 100 letters, digits and @ . + _ ~ -")
    return given


def password(given: str) -> str:
    """A trunk's password. Raises Invalid, which never shows it."""
    if not _PASSWORD.fullmatch(given):
        said = "1 to 128 printable ASCII characters without spaces, ; and \\, and not with > at its beginning"
        raise Invalid("password", f"{said}: Asterisk's configuration takes no others; have the carrier set another one")
    return given


def codecs(given: Sequence[str]) -> tuple[Codec, ...]:
    """Codecs in the order in which they are preferred, each once. Raises Invalid."""
    found = tuple(dict.fromkeys(map(Codec, given)))
    if not found:
        raise Invalid("codecs", f"at least one of {', '.join(Codec)}")
    return found


def prefix(given: str) -> str:
    """The digits that a trunk puts before each dialled number. Raises Invalid."""
    if not _PREFIX.fullmatch(given):
        raise Invalid("prefix", "up to 10 digits, with an optional + before them")
    return given


def country(given: str) -> str:
    """A country by its two letters of ISO 3166; empty for that of the installation. Raises Invalid."""
    code = given.strip().upper()
    if code and not phone.is_country(code):
        raise Invalid("country", f"{given[:20]!r} is no country with telephone numbers: two letters of ISO 3166, as DE")
    return code


def public_address(given: str) -> str:
    """An IP address that the bridge is reached at; empty for its own. Raises Invalid."""
    try:
        return str(ipaddress.ip_address(given.strip())) if given.strip() else ""
    except ValueError:
        raise Invalid("public_address", f"{given[:60]!r} is no IP address") from None


# --- Checks of trunks ---------------------------------------------------------------------------------------------
def check(trunk: Trunk) -> None:
    """Check that the fields of a trunk go together. Raises Invalid."""
    versions = {network("addresses", each).version for each in trunk.addresses}
    if not trunk.addresses and not trunk.registrar and not trunk.has_password:
        raise Invalid(
            "addresses",
            "give the addresses that calls come from, a registrar to register at, or a password to log in with",
        )
    if len(versions) > 1:
        raise Invalid("addresses", "one trunk has addresses of one IP version: make a trunk for each version")
    if trunk.registrar and not trunk.username:
        raise Invalid("username", f"who registers at {trunk.registrar}?")
    if trunk.registrar and not trunk.has_password:
        raise Invalid("password", f"{trunk.registrar} asks for one")
    if trunk.public_address and (":" in trunk.public_address) != trunk.ipv6:
        raise Invalid("public_address", "is of another IP version than the trunk's addresses")
    if trunk.srtp and trunk.transport is not Transport.TLS:
        raise Invalid(
            "srtp", "the keys of SRTP stand in the SIP messages: set transport to tls, or anybody can read them"
        )


def shared(trunk: Trunk, other: Trunk) -> str | None:
    """An address or network of one trunk that the other one has too, None if every call has one trunk."""
    for mine in _networks("addresses", trunk.addresses):
        for theirs in _networks("addresses", other.addresses):
            if mine.version == theirs.version and mine.overlaps(theirs):
                return str(mine if mine.prefixlen >= theirs.prefixlen else theirs)
    return None


def without(networks: Iterable[Network], taken: Iterable[Network]) -> list[Network]:
    """The parts of some networks that others do not cover, in order."""
    left = list(networks)
    for gone in taken:
        left = [rest for each in left for rest in _excluded(each, gone)]
    return sorted(left, key=lambda each: (each.version, each))


def _excluded(each: Network, gone: Network) -> Iterable[Network]:
    if each.version != gone.version or not each.overlaps(gone):
        return (each,)
    if gone.prefixlen <= each.prefixlen:
        return ()
    return each.address_exclude(gone)  # type: ignore[arg-type]  # both are of one version


def of_channel(channel: str) -> str:
    """The id of the trunk that a channel belongs to, empty for the trunk without a name.

    Each trunk is an endpoint of its id, and Asterisk names a channel after its endpoint.

    >>> of_channel("PJSIP/5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11-0000002a"), of_channel("PJSIP/trunk-0000002a")
    ('5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11', '')
    """
    found = _OF_CHANNEL.match(channel)
    return found[1] if found else ""


_OF_CHANNEL: Final = re.compile(r"PJSIP/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-")
