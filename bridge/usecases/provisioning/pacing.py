"""Long work in the event loop, done so that others get their turns."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")
AT_A_TIME: Final = 50


async def with_pauses(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a turn for others now and then."""
    for place, item in enumerate(items):
        yield item
        if place % AT_A_TIME == AT_A_TIME - 1:
            await asyncio.sleep(0)
