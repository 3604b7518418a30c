"""Long work in the event loop with pauses, in which other tasks run."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")
WITHOUT_PAUSE: Final = 50
"""Items between two pauses. Their work takes a few milliseconds, which no caller notices."""


async def with_pauses(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a pause for other tasks after every WITHOUT_PAUSE of them."""
    for place, item in enumerate(items):
        yield item
        if place % WITHOUT_PAUSE == WITHOUT_PAUSE - 1:
            await asyncio.sleep(0)
