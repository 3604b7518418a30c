"""The settings of a sandbox's parts, as environment variables, and the file `env` for its users."""

from collections.abc import Mapping
from pathlib import Path

from bridge.sandbox.host.sockets import HAS_IPV6
from bridge.sandbox.identity import SandboxIdentity
from bridge.sandbox.node import Node

ACCESS_NUMBER = "18005550100"


def settings(identity: SandboxIdentity, folder: Path, name: str, database_url: str, asterisk: Node) -> dict[str, str]:
    """Return the `BRIDGE_*` variables that a sandbox sets for its daemon, migration and Asterisk."""
    return {
        "BRIDGE_NODE": name,
        "BRIDGE_STATE_DIR": str(folder / "state"),
        "BRIDGE_DATABASE_URL": database_url,
        "BRIDGE_API_ADDRESS": f"127.0.0.1:{identity.rest_port}",
        "BRIDGE_PROBES_ADDRESS": f"127.0.0.1:{identity.probes_port}",
        "BRIDGE_OPERATOR_KEY": identity.operator_key,
        "BRIDGE_PASSCODE_KEY": identity.passcode_key,
        "BRIDGE_ARI_URL": f"http://127.0.0.1:{identity.ari_port}",
        "BRIDGE_ARI_USER": "bridge",
        "BRIDGE_ARI_PASSWORD": identity.ari_password,
        "BRIDGE_AMI_ADDRESS": f"127.0.0.1:{identity.ami_port}",
        "BRIDGE_AMI_USER": "bridge",
        "BRIDGE_AMI_PASSWORD": identity.ami_password,
        "BRIDGE_JOURNAL": str(asterisk.journal),
        # The disk of a sandbox may be small, and its calls are few and short.
        "BRIDGE_JOURNAL_RESERVE_MB": "16",
        "BRIDGE_SIP_BIND": f"{identity.sip_address},[::1]:{identity.sip_port}" if HAS_IPV6 else identity.sip_address,
        "BRIDGE_SIP_TLS_BIND": f"127.0.0.1:{identity.tls_port}",
        "BRIDGE_SIP_TLS_CERTIFICATE": str(asterisk.tls / "certificate.pem"),
        "BRIDGE_SIP_TLS_KEY": str(asterisk.tls / "key.pem"),
        "BRIDGE_SIP_TRUNKS": "127.0.0.1",
        "BRIDGE_TRUNKS_DIR": str(asterisk.home / "trunks"),
        "BRIDGE_RTP_PORTS": identity.rtp_ports,
        "BRIDGE_ASTERISK_MODULES": str(asterisk.tree.modules),
        "BRIDGE_ASTERISK_DATA": str(asterisk.data),
        "BRIDGE_ASTERISK_HOME": str(asterisk.home),
    }


def contract(
    identity: SandboxIdentity, chosen: Mapping[str, str], folder: Path, pids: Mapping[str, int | None]
) -> dict[str, str]:
    """Return the contents of the file `env`: the addresses, keys, pids and commands that programs may rely on.

    `chosen` are the settings that the sandbox sets, with all secrets: commands such as `bridge doctor` need them.
    """
    pid = {part: str(number) if number else "" for part, number in pids.items()}
    return {
        **chosen,
        "BRIDGE_API_URL": identity.api_url,
        "BRIDGE_PROBES_URL": identity.probes_url,
        "BRIDGE_OPERATOR_KEY": chosen["BRIDGE_OPERATOR_KEY"],
        "BRIDGE_DATABASE_URL": chosen["BRIDGE_DATABASE_URL"],
        "BRIDGE_SIP_ADDRESS": identity.sip_address,
        "BRIDGE_ACCESS_NUMBER": ACCESS_NUMBER,
        "BRIDGE_ARI_URL": chosen["BRIDGE_ARI_URL"],
        "BRIDGE_AMI_ADDRESS": chosen["BRIDGE_AMI_ADDRESS"],
        "BRIDGE_JOURNAL": chosen["BRIDGE_JOURNAL"],
        "BRIDGE_ASTERISK_CLI": str(folder / "asterisk-cli"),
        "BRIDGE_DAEMON_PID": pid["daemon"],
        "BRIDGE_ASTERISK_PID": pid["asterisk"],
        "BRIDGE_POSTGRES_PID": pid["postgres"],
        "BRIDGE_DAEMON_COMMAND": str(folder / "daemon"),
    }
