"""An event loop in virtual time: whenever all tasks wait, its clock jumps to the next timer.

So the product's own coroutines run unchanged, with their timeouts and pauses, and hours take seconds.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Jump(selectors.SelectSelector):
    """A selector that waits for no socket: it moves the clock on by the time that it was asked to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits, and nothing will ever wake one")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock begins at 0 and counts virtual seconds."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(task: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a virtual time of its own. What it has begun and not ended is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(task)
