"""The audio ports as one part of the daemon: gauges and alarms while they become few."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from bridge import telemetry
from bridge.domain.admission.capacity import Capacity

log = structlog.get_logger()

GAUGES_S: Final = 1.0


class Ports:
    """Watches how many calls the node's audio ports still allow. `inside` returns the number of callers in rooms."""

    def __init__(self, capacity: Capacity, inside: Callable[[], int]) -> None:
        self._capacity = capacity
        self._inside = inside
        self._few = False

    async def run(self) -> None:
        """Set the gauges and raise the alarm, every GAUGES_S, for ever."""
        while True:
            self.look()
            await asyncio.sleep(GAUGES_S)

    def look(self) -> None:
        """Set the gauges, and log when ports have become few, and when they are enough again."""
        capacity, left = self._capacity, self._capacity.left(self._inside())
        telemetry.CALLS.labels(where="dialogue").set(capacity.dialogues)
        telemetry.CALLS.labels(where="room").set(self._inside())
        telemetry.AUDIO_PORTS_LEFT.set(left)
        few = capacity.is_short(self._inside())
        if few and not self._few:
            log.error(
                "audio_ports_few",
                dialogues=capacity.dialogues,
                inside=self._inside(),
                calls=capacity.calls,
                mend="callers who are not known are refused (503): see which trunk they come from in "
                "GET /v1/admission-attempts, limit it with max_dialogues, or widen BRIDGE_RTP_PORTS",
            )
        if self._few and not few:
            log.info("audio_ports_enough")
        self._few = few

    def health(self) -> tuple[bool, str]:
        """True while callers who are not known may still come, and how many calls there are."""
        inside, capacity = self._inside(), self._capacity
        told = f"{inside} callers in rooms and {capacity.dialogues} in the dialogue, of {capacity.calls} calls at most"
        if capacity.is_short(inside):
            return False, f"{told}: only known callers are let in"
        return True, told
