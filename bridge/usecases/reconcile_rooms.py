"""Rooms against the journal: what differs for good is told, and healed by a word of ours in the journal itself.

So everything that minutes are made of stands in the journal, and they can be made again from it alone.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Final

from bridge.domain import presence
from bridge.domain.presence import Differences, Recorded
from bridge.usecases.ports import Switch

LOOK_S: Final = 5.0
DOUBT_S: Final = 0.5
"""Those whom a hole of the journal leaves in doubt are looked for so soon: the switch may die any moment."""
IN_A_WORD: Final = 8
"""A line of the journal holds the names of so many channels twice."""


async def reconcile_rooms(
    switch: Switch,
    recorded: Callable[[], Recorded | None],
    on_difference: Callable[[Differences], None],
    on_healing: Callable[[str, str], None],
) -> None:
    """Compare every LOOK_S, for ever. Raises Unavailable when the switch can't be asked.

    `recorded` is what the journal says as of its last line, None while it is behind.
    """
    differences = Differences()
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
                for channel in presence.lasting(differing):
                    on_healing(kind, channel)
                    await switch.journal("ABSENT", f"{channel}:{seen_us[channel]}")
            for channel in (unseen := presence.lasting(differences.unseen)):
                on_healing("unseen", channel)
            await _tell_present(switch, asked_us, [*unseen, *sorted(known.doubtful & present)])
        await _rest(switch, recorded)


async def _rest(switch: Switch, recorded: Callable[[], Recorded | None]) -> None:
    """Until the next comparison, except for those in doubt."""
    end = time.monotonic() + LOOK_S
    while True:
        await asyncio.sleep(min(DOUBT_S, LOOK_S))
        if time.monotonic() >= end:
            return
        known = recorded()
        if known is not None and known.doubtful:
            asked_us = time.time_ns() // 1000
            await _tell_present(switch, asked_us, sorted(known.doubtful & await switch.participants()))


async def _tell_present(switch: Switch, asked_us: int, channels: Iterable[str]) -> None:
    there = iter(channels)
    while some := list(itertools.islice(there, IN_A_WORD)):
        await switch.journal("PRESENT", ":".join([str(asked_us), *some]))
