"""The example of a firewall in docs/: loaded into a network of its own, it lets trunks through and nobody else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.sandbox.host import system
from bridge.sandbox.host.system import Package

RULES = Path(__file__).resolve().parents[2] / "docs" / "firewall.nft"
TRUNK, CARRIERS_AUDIO, STRANGER = "192.0.2.3", "198.51.100.9", "203.0.113.9"
# Two networks of their own, joined by a cable: that of the node, and that of everybody else.
SCRIPT = """
set -e
ip link set lo up
ip link add name node type veth peer name world
unshare --net sleep 60 & world=$!
trap 'kill $world' EXIT
until [ "$(readlink /proc/$world/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link set world netns $world
in_world() { nsenter --target $world --net "$@"; }
for network in 192.0.2 198.51.100 203.0.113; do ip address add $network.250/24 dev node; done
for address in 192.0.2.3 198.51.100.9 203.0.113.9; do in_world ip address add $address/24 dev world; done
ip link set node up
in_world ip link set world up
nft --file "$1"
in_world "$2" -c "$4" &
"$2" -c "$3"
wait $!
nft list table inet telephony | grep -c 'counter packets [1-9]'
"""
RECEIVER = """
import select, socket, time
ports = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for each, port in zip(ports, (5060, 12000)): each.bind(("0.0.0.0", port))
ended = set()
until = time.monotonic() + 20
while len(ended) < 2 and time.monotonic() < until:
    for each in select.select(ports, [], [], 1)[0]:
        text, (address, _) = each.recvfrom(100)
        if text == b"end": ended.add(each)
        else: print(address, each.getsockname()[1], flush=True)
"""
SENDER = """
import socket, time
until = time.monotonic() + 3
while time.monotonic() < until:
    for address in ("203.0.113.9", "198.51.100.9", "192.0.2.3"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.bind((address, 0))
            for port in (5060, 12000):
                sending.sendto(b"hello", (address.rpartition(".")[0] + ".250", port))
    time.sleep(0.1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
    last.bind(("192.0.2.3", 0))
    for port in (5060, 12000): last.sendto(b"end", ("192.0.2.250", port))
"""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    tools = [("nftables", "nft"), ("iproute2", "ip"), ("util-linux", "unshare")]
    system.ensure(
        [Package(name, "the firewall is tried", shutil.which(tool) is not None) for name, tool in tools], print
    )


def test_trunks_get_through_and_strangers_do_not() -> None:
    python = shutil.which("python3")
    assert python is not None
    command = ["unshare", "--net", "sh", "-c", SCRIPT, "sh", str(RULES), python, RECEIVER, SENDER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    *received, counters = done.stdout.split("\n")[:-1]
    assert set(received) == {f"{TRUNK} 5060", f"{TRUNK} 12000", f"{CARRIERS_AUDIO} 12000"}
    assert STRANGER not in done.stdout
    assert int(counters) == 1
