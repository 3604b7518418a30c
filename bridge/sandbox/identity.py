"""The ports and the secrets of a sandbox, which `down` keeps for the next `up`."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bridge.sandbox import private_folder
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports
from bridge.sandbox.host.ports import Claim

RTP_OFFSET, RTP_PORTS = 10, 1000
"""RTP uses the ports from the first port + RTP_OFFSET on, two for each call."""


@dataclass(frozen=True, slots=True)
class SandboxIdentity:
    """The first port of the sandbox's range, and its secrets. Another range is taken if that one is in use."""

    first_port: int
    operator_key: str
    passcode_key: str
    ari_password: str
    ami_password: str

    @property
    def sip_port(self) -> int:
        """SIP, over UDP and TCP."""
        return self.first_port

    @property
    def ari_port(self) -> int:
        """ARI, over HTTP."""
        return self.first_port + 1

    @property
    def ami_port(self) -> int:
        """AMI, over TCP."""
        return self.first_port + 2

    @property
    def rest_port(self) -> int:
        """The daemon's REST API."""
        return self.first_port + 3

    @property
    def tls_port(self) -> int:
        """SIP over TLS."""
        return self.first_port + 4

    @property
    def probes_port(self) -> int:
        """The daemon's health, readiness and metrics."""
        return self.first_port + 5

    @property
    def probes_url(self) -> str:
        """The base URL of the daemon's health, readiness and metrics."""
        return f"http://127.0.0.1:{self.probes_port}"

    @property
    def api_url(self) -> str:
        """The base URL of the daemon's REST API."""
        return f"http://127.0.0.1:{self.rest_port}"

    @property
    def sip_address(self) -> str:
        """The address that callers reach Asterisk at, as host:port."""
        return f"127.0.0.1:{self.sip_port}"

    @property
    def rtp_ports(self) -> str:
        """First and last port of RTP, as in BRIDGE_RTP_PORTS."""
        first = self.first_port + RTP_OFFSET
        return f"{first}-{first + RTP_PORTS - 1}"


def read(home: Path) -> SandboxIdentity:
    """Read the identity of the sandbox in `home`. Raises SandboxError if there is none."""
    path = _file(home)
    try:
        return SandboxIdentity(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise SandboxError(f"There is no sandbox in {home}; start one with `bridge sandbox up`.") from None
    except (TypeError, ValueError) as error:
        raise SandboxError(f"{path} is damaged; delete it, and the next start makes a new one.") from error


def exists(home: Path) -> bool:
    """Return True if the sandbox in `home` was started once."""
    return _file(home).exists()


@contextmanager
def claimed(home: Path, *, running: bool) -> Iterator[list[int]]:
    """Claim the sandbox's ports for the length of the block, and make its identity the first time.

    Yields the descriptors that hold the claim: a process that inherits one keeps the ports claimed as long as it lives.
    If a part of the sandbox is `running`, its ports are claimed already, and stay the same.
    """
    known = read(home) if exists(home) else None
    if known and running:
        claim = ports.hold(known.first_port, RTP_OFFSET + RTP_PORTS)
        try:
            yield [claim.descriptor] if claim else []
        finally:
            if claim:
                claim.release()
        return
    with ports.claim(RTP_OFFSET + RTP_PORTS, known.first_port if known else None) as claim:
        private_folder.write(_file(home), json.dumps(asdict(_identity(claim, known))))
        yield [claim.descriptor]


def _identity(claim: Claim, known: SandboxIdentity | None) -> SandboxIdentity:
    if known:
        return replace(known, first_port=claim.first)
    return SandboxIdentity(
        claim.first,
        operator_key=secrets.token_urlsafe(32),
        passcode_key=secrets.token_hex(32),
        ari_password=secrets.token_hex(16),
        ami_password=secrets.token_hex(16),
    )


def _file(home: Path) -> Path:
    return home / "identity.json"
