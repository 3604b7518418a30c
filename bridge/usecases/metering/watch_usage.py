"""Raises an alarm when an account or an access number is used far more than is usual."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from bridge.domain.errors import Unavailable
from bridge.domain.metering.usage import DayUsage
from bridge.usecases.metering.ports import Usage

log = structlog.get_logger()

LOOK_S: Final = 900.0

Tell = Callable[[DayUsage], Awaitable[None]]
"""Told once of each unusual usage. Raises Unavailable to be called again."""


async def watch_usage(usage: Usage, least: int, tell: Tell, on_count: Callable[[int], None]) -> None:
    """Look at the usage every LOOK_S, for ever. `least` are the minutes a day up to which nothing is unusual.

    `on_count` gets the number of accounts and access numbers whose usage is unusual now.
    """
    told: set[tuple[str, str]] = set()
    while True:
        try:
            unusual = [each for each in await usage.of_day(datetime.now(UTC)) if each.is_unusual(least)]
            told &= {(each.kind, each.value) for each in unusual}
            for each in unusual:
                if (each.kind, each.value) not in told:
                    await tell(each)
                    told.add((each.kind, each.value))
            on_count(len(unusual))
        except Unavailable as error:
            log.debug("usage_unknown", error=str(error))
        await asyncio.sleep(LOOK_S)
