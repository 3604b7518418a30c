"""Compares the rooms with the journal. A difference that lasts is logged, and corrected by a line in the journal.

ABSENT says that a caller is in no room, PRESENT that participants are in one. PRESENT is written without a difference
too, where the journal may not show who is in a room:

- for callers whose end a damaged part of the journal may hide, as soon as the ledger has read that far
- for everybody, when a connection to the switch begins, or when the switch can write again after it could not. The
  ledger may be away then, and the switch may be killed before the ledger is back.

So the journal holds everything that minutes are made of, and they can be made again from it alone.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Set
from typing import Final

from bridge.domain.metering import room_comparison
from bridge.domain.metering.room_comparison import JournaledChannels, RoomDifferences
from bridge.usecases.metering.ports import Switch

LOOK_S: Final = 5.0
DOUBT_S: Final = 0.5
"""Callers in doubt after damage to the journal are looked for so often: the switch may die any moment."""
SILENT_S: Final = 2.0
"""So long without a heartbeat, the switch cannot write its journal. Heartbeats are looked for each second, and come
twice a second."""
IN_A_LINE: Final = 8
"""One journal line has room for the names of so many channels, which stand in it twice."""


async def reconcile_rooms(
    switch: Switch,
    recorded: Callable[[], JournaledChannels | None],
    silent_s: Callable[[], float | None],
    on_difference: Callable[[RoomDifferences], None],
    on_healing: Callable[[str, str], None],
) -> None:
    """Compare rooms and journal every LOOK_S, for ever. Raises Unavailable when the switch can't be asked.

    `recorded` gives the channels by the journal's last line, None while it is behind. `silent_s` gives the seconds
    since the last heartbeat in the journal, None if there never was one.
    """
    differences = RoomDifferences()
    report = PresenceReport(switch, silent_s)
    seen_us: dict[str, int] = {}
    while True:
        asked_us = time.time_ns() // 1000
        present = await switch.participants()
        known = recorded()
        if known is not None:
            existing = await switch.existing(known.waiting - present)
            open_ones = known.inside | known.waiting
            seen_us = {one: asked_us if one in present | existing else seen_us.get(one, 0) for one in open_ones}
            differences = differences.after(known, present, existing)
            on_difference(differences)
            for kind, differing in (("absent", differences.absent), ("gone", differences.gone)):
                for channel in room_comparison.lasting(differing):
                    on_healing(kind, channel)
                    await switch.journal("ABSENT", f"{channel}:{seen_us[channel]}")
            for channel in (unseen := room_comparison.lasting(differences.unseen)):
                on_healing("unseen", channel)
            await _write_present(switch, asked_us, [*unseen, *sorted(known.doubtful & present)])
        await _rest(switch, recorded, report)


class PresenceReport:
    """Writes PRESENT for everybody once the switch can write, on a new connection and after each silence.

    Only participants of two looks in a row are written: the join of a newer one may be on its way into the journal.
    """

    def __init__(self, switch: Switch, silent_s: Callable[[], float | None]) -> None:
        self._switch = switch
        self._silent_s = silent_s
        self._is_due = True
        self._before: Set[str] | None = None

    async def look(self) -> None:
        """Look at the rooms if PRESENT is due, and write it at the second such look."""
        silent_s = self._silent_s()
        if silent_s is None or silent_s > SILENT_S:
            self._is_due, self._before = True, None
            return
        if not self._is_due:
            return
        asked_us = time.time_ns() // 1000
        there = await self._switch.participants()
        if self._before is None:
            self._before = there
            return
        await _write_present(self._switch, asked_us, sorted(self._before & there))
        self._is_due, self._before = False, None


async def _rest(switch: Switch, recorded: Callable[[], JournaledChannels | None], report: PresenceReport) -> None:
    """Wait until the next comparison. Meanwhile, write PRESENT for callers in doubt."""
    end = time.monotonic() + LOOK_S
    while True:
        await asyncio.sleep(min(DOUBT_S, LOOK_S))
        if time.monotonic() >= end:
            return
        await report.look()
        known = recorded()
        if known is not None and known.doubtful:
            asked_us = time.time_ns() // 1000
            await _write_present(switch, asked_us, sorted(known.doubtful & await switch.participants()))


async def _write_present(switch: Switch, asked_us: int, channels: Iterable[str]) -> None:
    there = iter(channels)
    while some := list(itertools.islice(there, IN_A_LINE)):
        await switch.journal("PRESENT", ":".join([str(asked_us), *some]))
