"""All that is asked before a caller gets into a room."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.keypad import EntryTimeouts
from bridge.domain.admission.seats import Seats
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import Directory

Barrier = Callable[[], Awaitable[str | None]]
"""The reason why this node must admit nobody now, or None. Asked after the answer, and again before the room."""


@dataclass(frozen=True, slots=True)
class AdmissionChecks:
    """The parts of the daemon that decide about a caller."""

    directory: Directory
    guard: Guard
    seats: Seats
    timeouts: EntryTimeouts
    barrier: Barrier
    capacity: Capacity
