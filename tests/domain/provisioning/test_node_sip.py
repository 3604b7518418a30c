"""The addresses that a node receives SIP at: what a setting may say, and which transports come of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import node_sip
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import Transport, Trunk


def test_one_address_of_each_version_is_bound() -> None:
    assert [str(each) for each in node_sip.binds("0.0.0.0:5060, [2001:DB8::0:7]:5060")] == [
        "0.0.0.0:5060",
        "[2001:db8::7]:5060",
    ]
    assert node_sip.binds("") == ()
    assert (node_sip.port("192.0.2.7:5070"), node_sip.port("")) == (5070, 0)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.0.0.0:0",
        "0.0.0.0:65536",
        "0.0.0.0:sip",
        ":::5060",
        "[0.0.0.0]:5060",
        "localhost:5060",
        "[::]:5060x",
        "0.0.0.0:5060,",
        "0.0.0.0:5060,127.0.0.1:5060",
        "0.0.0.0:5060,[::]:5070",
    ],
)
def test_what_is_no_address_to_bind_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="5060"):
        node_sip.binds(text)


def test_a_node_has_a_transport_for_each_address_and_protocol() -> None:
    found = node_sip.transports("0.0.0.0:5060,[::]:5060", "[::]:5061")
    assert [(each.name, str(each.kind), str(each.bind)) for each in found] == [
        ("udp", "udp", "0.0.0.0:5060"),
        ("udp6", "udp", "[::]:5060"),
        ("tcp", "tcp", "0.0.0.0:5060"),
        ("tcp6", "tcp", "[::]:5060"),
        ("tls6", "tls", "[::]:5061"),
    ]


def test_a_node_is_told_from_its_settings() -> None:
    node = NodeSip.of("192.0.2.7,198.51.100.0/24", "0.0.0.0:5060", "0.0.0.0:5071")
    assert list(map(str, node.unnamed)) == ["192.0.2.7/32", "198.51.100.0/24"]
    assert (node.transports, node.tls_port) == ({"udp", "tcp", "tls"}, 5071)
    assert NodeSip.of("", "0.0.0.0:5060", "") == NodeSip((), frozenset({"udp", "tcp"}))


@pytest.mark.parametrize(
    ("about", "mend"),
    [
        ({"transport": Transport.TCP}, ""),
        ({"transport": Transport.TLS}, "no TLS over IPv4: set BRIDGE_SIP_TLS_BIND"),
        ({"addresses": ("2001:db8::7",)}, "no UDP over IPv6: set BRIDGE_SIP_BIND"),
    ],
)
def test_a_node_tells_what_it_lacks_for_a_trunk(about: dict[str, Any], mend: str) -> None:
    trunk = Trunk(uuid4(), "acme", datetime.now(UTC), **{"addresses": ("192.0.2.7",), **about})
    obstacle = NodeSip.of("", "0.0.0.0:5060", "").obstacle(trunk)
    assert mend in obstacle
    assert bool(mend) == bool(obstacle)
