"""Asterisk's heart, which writes BOOT and ALIVE into the journal by itself: what it is told, and started again when it
has stopped. Dialplan: [heart].
"""

import asyncio
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ari.client import Ari, AriFailed
from bridge.host import clock as kernel_clock

log = structlog.get_logger()

TELL_S: Final = 0.5
STOPPED_AFTER: Final = 4
"""Rounds without a beat, two seconds in all: a beat is due each half second."""
RESTS_AT: Final = "Local/boot@heart"


async def keep_beating(ari: Ari) -> None:
    """Tell the heart of the clock, which it repeats with each beat, and revive it when it stands still. For as long as
    the connection lives. Raises AriUnreachable."""
    beat, still = "", 0
    while True:
        try:
            offset_us, uptime_us = kernel_clock.wall_and_uptime_us()
            clock = f"{offset_us}.{uptime_us}"
            await ari.request("POST", "asterisk/variable", {"variable": "BRIDGE_CLOCK", "value": clock})
            found = (await ari.request("GET", "asterisk/variable", {"variable": "BRIDGE_BEAT"}))["value"]
            beat, still = found, still + 1 if found == beat else 0
            if still >= STOPPED_AFTER:
                log.error("heart_stopped", beat=beat, mend="it is started again; was the clock set back?")
                telemetry.HEART_REVIVALS.inc()
                await _originate(ari, "revived", {})
                still = 0
        except AriFailed as error:
            log.warning("heart_not_tended", error=str(error), mend="is this dialplan's [heart] loaded?")
        await asyncio.sleep(TELL_S)


async def journal_word(ari: Ari, word: str, about: str) -> None:
    """Have Asterisk write a word of ours into the journal. Raises AriFailed, AriUnreachable."""
    await _originate(ari, "word", {"BRIDGE_WORD": word, "BRIDGE_ABOUT": about})


async def _originate(ari: Ari, extension: str, variables: dict[str, str]) -> None:
    where = {"endpoint": RESTS_AT, "context": "heart", "extension": extension, "priority": "1"}
    await ari.request("POST", "channels", where, {"variables": variables} if variables else None)
