"""Rooms against the journal: what differs for good is told, and healed by a word of ours in the journal itself.

So everything that minutes are made of stands in the journal, and they can be made again from it alone.
"""

import asyncio
import time
from collections.abc import Callable, Set
from typing import Final

from bridge.domain import presence
from bridge.domain.presence import Differences
from bridge.usecases.ports import Switch

LOOK_S: Final = 5.0


async def reconcile_rooms(
    switch: Switch,
    recorded: Callable[[], Set[str] | None],
    on_difference: Callable[[Differences], None],
    on_healing: Callable[[str, str], None],
) -> None:
    """Compare every LOOK_S, for ever. Raises Unavailable when the switch can't be asked.

    `recorded` are the channels that are in a room as of the journal's last line, None while it is behind.
    """
    differences = Differences()
    seen_us: dict[str, int] = {}
    while True:
        asked_us = time.time_ns() // 1000
        present = await switch.participants()
        known = recorded()
        if known is not None:
            seen_us = {channel: asked_us if channel in present else seen_us.get(channel, 0) for channel in known}
            differences = differences.after(known, present)
            on_difference(differences)
            for channel in presence.lasting(differences.absent):
                on_healing("ABSENT", channel)
                await switch.journal("ABSENT", f"{channel}:{seen_us[channel]}")
            for channel in presence.lasting(differences.unseen):
                on_healing("PRESENT", channel)
                await switch.journal("PRESENT", channel)
        await asyncio.sleep(LOOK_S)
