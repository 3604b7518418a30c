"""Claims of ports: exclusive, inherited by processes, gone with the last of them."""

import itertools
import os
import socket
from pathlib import Path

from bridge.sandbox.host import ports, processes, sockets
from bridge.sandbox.host.sockets import HAS_IPV6


def test_claims_never_overlap() -> None:
    with ports.claim(50) as first, ports.claim(50, first.first) as second:
        assert not set(range(first.first, first.first + 50)) & set(range(second.first, second.first + 50))


def test_a_released_claim_can_be_had_again() -> None:
    with ports.claim(20) as claim:
        first = claim.first
        assert ports.hold(first, 20) is None
    with ports.claim(20, first) as again:
        assert again.first == first


def test_ports_in_use_are_passed_over() -> None:
    places = [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if HAS_IPV6 else [])]
    for (family, address), kind in itertools.product(places, (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
        with ports.claim(20) as claim:
            first = claim.first
        with socket.socket(family, kind) as stranger:
            stranger.bind((address, first + 7))
            with ports.claim(20, first) as other:
                assert not other.first <= first + 7 < other.first + 20


def test_a_claim_lives_as_long_as_a_process_that_inherited_it(tmp_path: Path) -> None:
    with ports.claim(20) as claim:
        first = claim.first
        process = processes.spawn(["/bin/sleep", "60"], os.environ, tmp_path / "log", [claim.descriptor])
    try:
        assert ports.hold(first, 20) is None
    finally:
        process.kill()
    held = ports.hold(first, 20)
    assert held is not None
    held.release()


def test_bound_tells_whose_a_port_is(tmp_path: Path) -> None:
    ourselves, process = processes.of(os.getpid()), processes.spawn(["/bin/sleep", "60"], os.environ, tmp_path / "log")
    assert ourselves is not None
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert ("tcp", port) in sockets.bound(ourselves)
            assert ("tcp6", port) not in sockets.bound(ourselves)
            assert sockets.bound(process) == set()
    finally:
        process.kill()
