"""The SIP trunks in Asterisk's configuration: one endpoint each, written and loaded while Asterisk runs.

A trunk's endpoint has the trunk's id as its name. So each channel, and each line of the journal, names its trunk.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.asterisk.ari import modules
from bridge.asterisk.ari.client import Ari, AriFailed
from bridge.asterisk.config import files
from bridge.domain.provisioning import trunk as trunk_rules
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import SIP_PORT, SIPS_PORT, Dtmf, NumberSource, SessionTimers, Trunk

TEMPLATE: Final = files.PROJECT / "asterisk-conf" / "trunks.conf.jinja"
TRUNKS: Final = "trunks.conf"
MODULES: Final = "modules.conf"
MODE: Final = 0o640
"""Asterisk may run as another user of the folder's group."""
INFO: Final = "res_pjsip_dtmf_info.so"
"""The module that hears SIP INFO. It hears it on every trunk, so that it runs only where one needs it."""
RELOADED: Final = ("res_pjsip.so", "res_pjsip_endpoint_identifier_ip.so", "res_pjsip_outbound_registration.so")
_HEADERS: Final[Mapping[NumberSource, str]] = {
    NumberSource.REQUEST_URI: "",
    NumberSource.TO: "To",
    NumberSource.P_CALLED_PARTY_ID: "P-Called-Party-ID",
    NumberSource.DIVERSION: "Diversion",
}
_DTMF: Final[Mapping[Dtmf, str]] = {
    Dtmf.AUTO: "auto",
    Dtmf.RFC4733: "rfc4733",
    Dtmf.INFO: "info",
    Dtmf.INBAND: "inband",
}
_TIMERS: Final[Mapping[SessionTimers, str]] = {
    SessionTimers.OFF: "no",
    SessionTimers.ON: "yes",
    SessionTimers.REQUIRED: "required",
}


@dataclass(frozen=True, slots=True)
class OpenTrunk:
    """A trunk with the password of its registration, empty where it has none."""

    trunk: Trunk
    password: str


@dataclass(frozen=True, slots=True)
class NodeTrunks:
    """All trunks as one node serves them."""

    trunks: Sequence[OpenTrunk]
    node: NodeSip

    @property
    def served(self) -> list[OpenTrunk]:
        """The trunks that Asterisk gets to know. A login without its password would let in everybody."""
        return [each for each in self.trunks if each.password or not each.trunk.logs_in]

    def texts(self) -> dict[str, str]:
        """The files that Asterisk reads: name → content."""
        values = {"unnamed": self._unnamed(), "trunks": [self._values(each) for each in self.served]}
        wants_info = any(each.trunk.dtmf is Dtmf.INFO for each in self.trunks)
        return {
            TRUNKS: files.rendered(TEMPLATE, values),
            MODULES: f"; Modules that a trunk of this node needs.\n{f'load = {INFO}' if wants_info else ''}\n",
        }

    def unusable(self) -> dict[str, str]:
        """Trunks that this node can't serve as they are, by id, each with a reason that says how to mend it."""
        found = {str(each.trunk.id): self.node.obstacle(each.trunk) for each in self.trunks}
        return {trunk_id: reason for trunk_id, reason in found.items() if reason}

    def _unnamed(self) -> list[tuple[str, str, list[str]]]:
        """The endpoints of the trunk without a name, one for each IP version: name, `yes` for IPv6, and networks."""
        named = [trunk_rules.network("addresses", one) for each in self.trunks for one in each.trunk.addresses]
        left = trunk_rules.without(self.node.unnamed, [*named, trunk_rules.DOCTOR])
        by_version = [("trunk", "no", 4), ("trunk6", "yes", 6)]
        found = [
            (name, ipv6, [str(one) for one in left if one.version == version]) for name, ipv6, version in by_version
        ]
        return [each for each in found if each[2]]

    def _values(self, each: OpenTrunk) -> dict[str, Any]:
        trunk = each.trunk
        return {
            "id": str(trunk.id),
            "version": trunk.version,
            "codecs": ",".join(trunk.codecs),
            "dtmf": _DTMF[trunk.dtmf],
            "rtp_symmetric": _yes(trunk.rtp_symmetric),
            "ipv6": _yes(trunk.ipv6),
            "trust_identity": _yes(trunk.trust_identity),
            "timers": _TIMERS[trunk.session_timers],
            "reliable": _yes(trunk.reliable_provisional),
            "media_encryption": "sdes" if trunk.srtp else "no",
            "public_address": trunk.public_address,
            "number_header": _HEADERS[trunk.number_source],
            "record_private": trunk.record_private,
            # Calls over a registration come over the connection that it was made on.
            "secure_port": str(self.node.tls_port) if trunk.secure and not trunk.registrar else "",
            "addresses": trunk.addresses,
            "logs_in": trunk.logs_in,
            "login_password": each.password,
            **self._registration(each),
        }

    def _registration(self, each: OpenTrunk) -> dict[str, str]:
        trunk = each.trunk
        if not trunk.registrar or not each.password or self.node.obstacle(trunk):
            return {"registrar": ""}
        host = trunk.registrar
        has_port = host.rpartition("]")[2].count(":") == 1
        port = SIPS_PORT if trunk.secure else SIP_PORT
        user = trunk.username.partition("@")[0]
        domain = trunk.username.partition("@")[2] or (host.rpartition(":")[0] if has_port else host)
        return {
            "registrar": host,
            "username": trunk.username,
            "password": each.password,
            "transport": f"{trunk.transport}{'6' if trunk.ipv6 else ''}",
            "server_uri": f"sip:{host if has_port else f'{host}:{port}'}\\;transport={trunk.transport}",
            "client_uri": f"sip:{user}@{domain}",
            "contact_user": user,
        }


class TrunkFiles:
    """The folder that Asterisk reads trunks from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, texts: Mapping[str, str]) -> bool:
        """Write the files that differ. Return True if any did. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        changed = [name for name, text in texts.items() if self._read(name) != text]
        for name in changed:
            files.replace(self._folder / name, texts[name], MODE)
        return bool(changed)

    def _read(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            return None


async def load(ari: Ari) -> None:
    """Have Asterisk read the trunks again. Calls go on. Raises AriFailed, AriUnreachable."""
    for module in RELOADED:
        await ari.request("PUT", f"asterisk/modules/{module}")


async def hear_info(ari: Ari, wanted: bool) -> None:
    """Have Asterisk hear SIP INFO, or not. It goes on to hear it while calls that began so last.

    Raises AriFailed, AriUnreachable.
    """
    runs = await modules.running(ari, INFO)
    if wanted and not runs:
        await ari.request("POST", f"asterisk/modules/{INFO}")
    elif runs and not wanted:
        with contextlib.suppress(AriFailed):  # it is in use
            await ari.request("DELETE", f"asterisk/modules/{INFO}")


async def loaded(ari: Ari) -> frozenset[str]:
    """The names of all SIP endpoints that Asterisk knows. Raises AriFailed, AriUnreachable."""
    return frozenset(each["resource"] for each in await ari.request("GET", "endpoints/PJSIP"))


def write_first(folder: Path, node: NodeSip) -> list[Path]:
    """Write the files for an installation without trunks that have names, unless the daemon has written them. Return
    those that were written. Raises OSError."""
    if (folder / TRUNKS).exists():
        return []
    texts = NodeTrunks((), node).texts()
    TrunkFiles(folder).write(texts)
    return [folder / name for name in texts]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
