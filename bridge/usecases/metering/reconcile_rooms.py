"""Rooms against the journal: what differs for good is told, and healed by a word of ours in the journal itself.

Who is in a room is told without any difference, too, when that may not stand in the journal: those whose end a hole of
it may hide, as soon as the ledger has read that far; and everybody, when a connection to the switch begins, or when the
switch could not write and can again, since the ledger may be away by then, and the switch be killed before it is back.

So everything that minutes are made of stands in the journal, and they can be made again from it alone.
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
"""Those whom a hole of the journal leaves in doubt are looked for so soon: the switch may die any moment."""
SILENT_S: Final = 2.0
"""So long without a sign of life in the journal means that the switch can't write it. The signs are looked for each
second, and come twice a second."""
IN_A_WORD: Final = 8
"""A line of the journal holds the names of so many channels twice."""


async def reconcile_rooms(
    switch: Switch,
    recorded: Callable[[], JournaledChannels | None],
    silent_s: Callable[[], float | None],
    on_difference: Callable[[RoomDifferences], None],
    on_healing: Callable[[str, str], None],
) -> None:
    """Compare every LOOK_S, for ever. Raises Unavailable when the switch can't be asked.

    `recorded` is what the journal says as of its last line, None while it is behind; `silent_s` for how many seconds
    the switch has written no sign of life, None if it never did.
    """
    differences = RoomDifferences()
    untold = Untold(switch, silent_s)
    seen_us: dict[str, int] = {}
    while True:
        asked_us = time.time_ns() // 1000
        present = await switch.participants()
        known = recorded()
        if known is not None:
            existing = await switch.existing(known.waiting - present)
            told = known.inside | known.waiting
            seen_us = {one: asked_us if one in present | existing else seen_us.get(one, 0) for one in told}
            differences = differences.after(known, present, existing)
            on_difference(differences)
            for kind, differing in (("absent", differences.absent), ("gone", differences.gone)):
                for channel in room_comparison.lasting(differing):
                    on_healing(kind, channel)
                    await switch.journal("ABSENT", f"{channel}:{seen_us[channel]}")
            for channel in (unseen := room_comparison.lasting(differences.unseen)):
                on_healing("unseen", channel)
            await _tell_present(switch, asked_us, [*unseen, *sorted(known.doubtful & present)])
        await _rest(switch, recorded, untold)


class Untold:
    """Whether everybody who is in a room is to be told, and who was there at the look before: who comes just now may
    not have been written yet."""

    def __init__(self, switch: Switch, silent_s: Callable[[], float | None]) -> None:
        self._switch = switch
        self._silent_s = silent_s
        self._untold = True
        self._before: Set[str] | None = None

    async def look(self) -> None:
        """Look at the switch if there is something to tell, and at the second such look tell it."""
        silent_s = self._silent_s()
        if silent_s is None or silent_s > SILENT_S:
            self._untold, self._before = True, None
            return
        if not self._untold:
            return
        asked_us = time.time_ns() // 1000
        there = await self._switch.participants()
        if self._before is None:
            self._before = there
            return
        await _tell_present(self._switch, asked_us, sorted(self._before & there))
        self._untold, self._before = False, None


async def _rest(switch: Switch, recorded: Callable[[], JournaledChannels | None], untold: Untold) -> None:
    """Until the next comparison, except for those in doubt."""
    end = time.monotonic() + LOOK_S
    while True:
        await asyncio.sleep(min(DOUBT_S, LOOK_S))
        if time.monotonic() >= end:
            return
        await untold.look()
        known = recorded()
        if known is not None and known.doubtful:
            asked_us = time.time_ns() // 1000
            await _tell_present(switch, asked_us, sorted(known.doubtful & await switch.participants()))


async def _tell_present(switch: Switch, asked_us: int, channels: Iterable[str]) -> None:
    there = iter(channels)
    while some := list(itertools.islice(there, IN_A_WORD)):
        await switch.journal("PRESENT", ":".join([str(asked_us), *some]))
