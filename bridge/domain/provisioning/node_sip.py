"""The addresses at which a node receives SIP, and the transports that it has by them."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import trunk
from bridge.domain.provisioning.trunk import Network, Transport, Trunk


@dataclass(frozen=True, slots=True)
class SipBind:
    """An IP address and a port that Asterisk receives SIP at."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TransportBind:
    """A transport of a node, as pjsip.conf has it: udp, or tls6 for TLS over IPv6."""

    name: str
    kind: Transport
    bind: SipBind


def binds(text: str) -> tuple[SipBind, ...]:
    """Addresses with a port, separated by commas: one of each IP version at most. Raises Invalid.

    >>> [str(each) for each in binds("0.0.0.0:5060, [::]:5060")]
    ['0.0.0.0:5060', '[::]:5060']
    """
    given = tuple(_bind(each.strip()) for each in text.split(",")) if text else ()
    versions, ports = [ipaddress.ip_address(each.host).version for each in given], {each.port for each in given}
    if len(versions) != len(set(versions)) or len(ports) > 1:
        raise Invalid("", "give one address of each IP version at most, on one port, such as 0.0.0.0:5060,[::]:5060")
    return given


def _bind(address: str) -> SipBind:
    host, _, port = address.rpartition(":")
    complaint = f"{address[:60]!r} is no ADDRESS:PORT; an IPv6 address stands in brackets, such as [::]:5060"
    if not port.isdecimal() or not 0 < int(port) < 65536 or (":" in host) != host.startswith("["):
        raise Invalid("", complaint)
    try:
        return SipBind(str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), int(port))
    except ValueError:
        raise Invalid("", complaint) from None


def port(text: str) -> int:
    """The port of addresses to bind, 0 without any. Raises Invalid."""
    return next((each.port for each in binds(text)), 0)


def transports(sip_bind: str, tls_bind: str) -> Iterator[TransportBind]:
    """The transports of a node that receives SIP over UDP and TCP at some addresses, and over TLS at others.

    Raises Invalid.
    """
    for kind, text in ((Transport.UDP, sip_bind), (Transport.TCP, sip_bind), (Transport.TLS, tls_bind)):
        for bind in binds(text):
            yield TransportBind(f"{kind}6" if ":" in bind.host else kind.value, kind, bind)


@dataclass(frozen=True, slots=True)
class NodeSip:
    """The transports of one node, and its trunk without a name.

    `unnamed` are the networks of the trunk without a name, `transports` the names of the node's transports, as
    pjsip.conf has them (udp, or tls6 for TLS over IPv6). `tls_port` is where SIP over TLS arrives, 0 for nowhere.
    """

    unnamed: tuple[Network, ...] = ()
    transports: frozenset[str] = frozenset()
    tls_port: int = 0

    @classmethod
    def of(cls, unnamed: str, sip_bind: str, tls_bind: str) -> "NodeSip":
        """The transports of a node whose settings are these: networks, and addresses to bind, separated by commas.

        Raises Invalid.
        """
        networks = tuple(trunk.network("", each) for each in filter(None, unnamed.split(",")))
        names = frozenset(each.name for each in transports(sip_bind, tls_bind))
        return cls(networks, names, port(tls_bind))

    def obstacle(self, wanted: Trunk) -> str:
        """The reason why this node can't serve a trunk as it is, with how to mend it; empty if it can."""
        needed = f"{wanted.transport}{'6' if wanted.ipv6 else ''}"
        if needed in self.transports:
            return ""
        setting = "BRIDGE_SIP_TLS_BIND" if wanted.transport is Transport.TLS else "BRIDGE_SIP_BIND"
        over = f"{wanted.transport.upper()} over IPv{6 if wanted.ipv6 else 4}"
        return f"this node has no {over}: set {setting}, run `bridge asterisk render`, and restart Asterisk"


def calls(rtp_ports: str) -> int:
    """The number of calls that the audio ports FIRST-LAST allow, two ports for each.

    >>> calls("10000-20000")
    5000
    """
    first, last = map(int, rtp_ports.split("-"))
    return (last + 1 - first) // 2
