"""Reads from /proc the ports that a process has bound, and whether this machine has IPv6."""

from pathlib import Path

from bridge.sandbox.host.processes import Process

HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "0" * 31 + "1 " in Path("/proc/net/if_inet6").read_text()
"""True if this machine has the address ::1."""
# The states in /proc/net of a socket that anybody may send to: TCP_LISTEN, and unconnected UDP.
OPEN = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


def bound(process: Process) -> set[tuple[str, int]]:
    """Return the listening sockets of a process, as (protocol, port). Empty if the process has ended.

    The protocol is "udp" or "tcp" for IPv4, "udp6" or "tcp6" for IPv6: one may be bound and the other not.
    """
    proc = Path(f"/proc/{process.pid}")
    inodes = set(_inodes(proc))
    found = set()
    for protocol, state in OPEN.items():
        for fields in _rows(proc / "net" / protocol):
            if fields[3] == state and fields[9] in inodes:
                found.add((protocol, int(fields[1].rpartition(":")[2], 16)))
    return found


def _inodes(proc: Path) -> list[str]:
    found = []
    try:
        for descriptor in (proc / "fd").iterdir():
            target = _target(descriptor)
            if target.startswith("socket:["):
                found.append(target[8:-1])
    except OSError:
        return found
    return found


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
