"""The audio ports as a part of the daemon: what it tells while they become few."""

import structlog

from bridge import telemetry
from bridge.daemon.ports import Ports
from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.slots import CallSource


def gauge(name: str, **labels: str) -> float | None:
    return telemetry.REGISTRY.get_sample_value(name, labels)


def test_gauges_readiness_and_log_tell_while_ports_are_few() -> None:
    capacity, inside = Capacity(100), 80
    ports = Ports(capacity, lambda: inside)
    capacity.begin("c-1", CallSource("", "192.0.2.7", "1"))
    with structlog.testing.capture_logs() as logs:
        ports.look()
        assert ports.health() == (True, "80 callers in rooms and 1 in the dialogue, of 100 calls at most")
        inside = 95
        ports.look()
        ports.look()
        assert ports.health()[0] is False
        assert (gauge("bridge_calls", where="dialogue"), gauge("bridge_calls", where="room")) == (1, 95)
        assert round(gauge("bridge_audio_ports_left") or 0, 6) == 0.04
        inside = 10
        ports.look()
    assert [line["event"] for line in logs] == ["audio_ports_few", "audio_ports_enough"]
