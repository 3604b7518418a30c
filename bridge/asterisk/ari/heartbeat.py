"""The heartbeat in the journal: Asterisk writes BOOT and ALIVE by itself, and the daemon keeps that going.

The daemon gives Asterisk the clock's figures, which each ALIVE repeats, and starts a heartbeat again that has stopped.
In the dialplan it is the context [heart].
"""

import asyncio
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ari.client import Ari, AriFailed
from bridge.host import kernel_clock

log = structlog.get_logger()

ROUND_S: Final = 0.5
STOPPED_AFTER: Final = 4
"""Rounds without a new beat, two seconds in all. A beat is due each half second."""
RESTING_CHANNEL: Final = "Local/boot@heart"
"""A Local channel whose far end only rests, while its near end runs the extension that is asked for."""


async def keep_beating(ari: Ari) -> None:
    """Pass the clock to the heartbeat, and start it again when it stands still, for as long as the connection lives.

    Raises AriUnreachable.
    """
    beat, unchanged = "", 0
    while True:
        try:
            offset_us, uptime_us = kernel_clock.wall_and_uptime_us()
            clock = f"{offset_us}.{uptime_us}"
            await ari.request("POST", "asterisk/variable", {"variable": "BRIDGE_CLOCK", "value": clock})
            latest = (await ari.request("GET", "asterisk/variable", {"variable": "BRIDGE_BEAT"}))["value"]
            beat, unchanged = latest, unchanged + 1 if latest == beat else 0
            if unchanged >= STOPPED_AFTER:
                log.error(
                    "heartbeat_stopped",
                    beat=beat,
                    mend="the daemon starts it again; minutes of callers who left meanwhile are estimated; "
                    "find out who set the clock back, or hung up the channel Local/boot@heart",
                )
                telemetry.HEART_REVIVALS.inc()
                await _originate(ari, "revived", {})
                unchanged = 0
        except AriFailed as error:
            log.warning(
                "heartbeat_not_reached",
                error=str(error),
                mend="check that Asterisk has loaded the context [heart] of this version's dialplan",
            )
        await asyncio.sleep(ROUND_S)


async def journal_word(ari: Ari, word: str, about: str) -> None:
    """Have Asterisk write an event of the daemon's own into the journal. Raises AriFailed, AriUnreachable."""
    await _originate(ari, "word", {"BRIDGE_WORD": word, "BRIDGE_ABOUT": about})


async def _originate(ari: Ari, extension: str, variables: dict[str, str]) -> None:
    where = {"endpoint": RESTING_CHANNEL, "context": "heart", "extension": extension, "priority": "1"}
    await ari.request("POST", "channels", where, {"variables": variables} if variables else None)
