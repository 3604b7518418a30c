"""The trunks as Asterisk's configuration: what stands there, and that nothing from outside can."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bridge.asterisk.config import trunks
from bridge.asterisk.config.trunks import NodeTrunks, OpenTrunk, TrunkFiles
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import Codec, Dtmf, NumberSource, SessionTimers, Transport, Trunk

ONE = UUID("5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11")
ALL = frozenset({"udp", "tcp", "tls", "udp6", "tcp6", "tls6"})
NODE = NodeSip((), ALL, 5061)
HERE = [ipaddress.ip_network("10.0.0.0/30"), ipaddress.ip_network("2001:db8::/126")]


def trunk(**about: Any) -> Trunk:
    return Trunk(ONE, "%5C %0A ${", datetime.now(UTC), **about)


def sections(text: str) -> dict[str, dict[str, list[str]]]:
    """The file as Asterisk reads it: section (with what it inherits) → setting → its values."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
            found.setdefault(section, {})
        elif "=" in line and not line.startswith(";"):
            name, _, value = line.partition(" = ")
            found[section].setdefault(name, []).append(value)
    return found


def rendered(*given: OpenTrunk, unnamed: Any = ()) -> dict[str, dict[str, list[str]]]:
    return sections(NodeTrunks(given, NodeSip(tuple(unnamed), ALL, 5061)).texts()[trunks.TRUNKS])


def test_a_trunk_is_an_endpoint_of_its_id_and_its_name_stands_nowhere() -> None:
    about = trunk(
        addresses=("192.0.2.7", "198.51.100.0/24"),
        codecs=(Codec.G722, Codec.ALAW),
        dtmf=Dtmf.INBAND,
        number_source=NumberSource.P_CALLED_PARTY_ID,
        trust_identity=True,
        record_private=True,
        rtp_symmetric=False,
        session_timers=SessionTimers.REQUIRED,
        reliable_provisional=True,
        public_address="203.0.113.9",
    )
    text = NodeTrunks([OpenTrunk(about, "")], NODE).texts()[trunks.TRUNKS]
    assert "%5C" not in text
    endpoint = sections(text)[f"[{ONE}](incoming)"]
    assert endpoint == {
        "allow": ["g722,alaw"],
        "dtmf_mode": ["inband"],
        "rtp_symmetric": ["no"],
        "rtp_ipv6": ["no"],
        "trust_id_inbound": ["yes"],
        "timers": ["required"],
        "100rel": ["yes"],
        "media_encryption": ["no"],
        "media_address": ["203.0.113.9"],
        "set_var": [f"BRIDGE_TRUNK_ID={ONE}", "BRIDGE_NUMBER_HEADER=P-Called-Party-ID", "BRIDGE_RECORD_PRIVATE=1"],
    }
    assert sections(text)[f"[{ONE}-at]"]["match"] == ["192.0.2.7", "198.51.100.0/24"]


def test_a_trunk_with_srtp_takes_no_other_calls() -> None:
    endpoint = rendered(OpenTrunk(trunk(addresses=("192.0.2.7",), transport=Transport.TLS, srtp=True), ""))[
        f"[{ONE}](incoming)"
    ]
    assert endpoint["media_encryption"] == ["sdes"]
    assert "BRIDGE_SECURE=:5061" in endpoint["set_var"]


def test_the_bridge_registers_at_a_registrar() -> None:
    about = trunk(registrar="sip.example:5070", username="4930@sip.example", has_password=True, transport=Transport.TCP)
    found = rendered(OpenTrunk(about, "s3cret"))
    assert found[f"[{ONE}-auth-1]"]["password"] == ["s3cret"]
    registration = found[f"[{ONE}-registration]"]
    assert registration["server_uri"] == ["sip:sip.example:5070\\;transport=tcp"]
    assert registration["client_uri"] == ["sip:4930@sip.example"]
    assert (registration["contact_user"], registration["transport"]) == (["4930"], ["tcp"])
    assert f"[{ONE}-at]" not in found


def test_the_usual_port_of_a_registrar_is_that_of_its_transport() -> None:
    about = trunk(registrar="sip.example", username="u", has_password=True, transport=Transport.TLS)
    [uri] = rendered(OpenTrunk(about, "s"))[f"[{ONE}-registration]"]["server_uri"]
    assert uri == "sip:sip.example:5061\\;transport=tls"
    assert rendered(OpenTrunk(about, "s"))[f"[{ONE}-registration]"]["client_uri"] == ["sip:u@sip.example"]


def test_callers_log_in_where_a_trunk_has_no_address_and_never_without_a_password() -> None:
    about = trunk(has_password=True)
    found = rendered(OpenTrunk(about, "long-enough-a-password"))
    assert found[f"[{ONE}](incoming)"]["identify_by"] == ["auth_username"]
    assert found[f"[{ONE}-login]"] == {
        "type": ["auth"],
        "auth_type": ["digest"],
        "username": [str(ONE)],
        "password": ["long-enough-a-password"],
    }
    assert rendered(OpenTrunk(about, "")) == {}


def test_what_a_trunk_with_a_name_has_is_taken_off_the_one_without() -> None:
    found = rendered(OpenTrunk(trunk(addresses=("10.0.0.1",)), ""), unnamed=HERE)
    assert found["[trunk-at]"]["match"] == ["10.0.0.0/32", "10.0.0.2/31"]
    assert found["[trunk6-at]"]["match"] == ["2001:db8::/126"]
    assert found["[trunk6](incoming)"]["rtp_ipv6"] == ["yes"]
    assert rendered(OpenTrunk(trunk(addresses=("10.0.0.0/24",)), ""), unnamed=HERE[:1]).keys() == {
        f"[{ONE}](incoming)",
        f"[{ONE}-at]",
    }


def test_a_transport_that_the_node_does_not_have_is_told() -> None:
    about = OpenTrunk(trunk(registrar="s", username="u", has_password=True, transport=Transport.TLS), "p")
    node = NodeTrunks([about], NodeSip((), frozenset({"udp", "tcp"})))
    assert "set BRIDGE_SIP_TLS_BIND" in node.unusable()[str(ONE)]
    assert f"[{ONE}-registration]" not in sections(node.texts()[trunks.TRUNKS])
    six = NodeTrunks([OpenTrunk(trunk(addresses=("2001:db8::7",)), "")], NodeSip((), frozenset({"udp", "tcp"})))
    assert "UDP over IPv6: set BRIDGE_SIP_BIND" in six.unusable()[str(ONE)]
    assert NodeTrunks([about], NODE).unusable() == {}


def test_sip_info_is_heard_only_where_a_trunk_wants_it() -> None:
    with_info = NodeTrunks([OpenTrunk(trunk(addresses=("192.0.2.7",), dtmf=Dtmf.INFO), "")], NODE)
    assert f"load = {trunks.INFO}" in with_info.texts()[trunks.MODULES]
    assert trunks.INFO not in NodeTrunks((), NodeSip(tuple(HERE), ALL)).texts()[trunks.MODULES]


def test_files_are_written_when_they_differ_and_stay_readable_for_asterisk(tmp_path: Path) -> None:
    files, texts = TrunkFiles(tmp_path / "trunks"), NodeTrunks((), NodeSip(tuple(HERE), ALL)).texts()
    assert files.write(texts)
    assert not files.write(texts)
    (tmp_path / "trunks" / trunks.TRUNKS).write_bytes(b"\xff")
    assert files.write(texts)
    assert (tmp_path / "trunks" / trunks.TRUNKS).stat().st_mode & 0o777 == trunks.MODE
    assert trunks.write_first(tmp_path / "trunks", NODE) == []
    assert trunks.write_first(tmp_path / "more", NodeSip(tuple(HERE), ALL)) == [
        tmp_path / "more" / name for name in texts
    ]
