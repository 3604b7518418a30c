"""Connections to Asterisk that are made again whenever they are lost, and their state for readyz."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bridge import telemetry
from bridge.domain import retry
from bridge.domain.errors import Unavailable

log = structlog.get_logger()

SETTLED_S: Final = 10.0
"""After a connection that lived so long, the delays between retries begin anew."""
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0


class Connection:
    """A connection that is kept up. `serve` connects, calls `up` and returns or raises when the connection is lost.

    `ok` and `detail` are for readyz.
    """

    def __init__(self, name: str, serve: Callable[["Connection"], Awaitable[None]]) -> None:
        self._name = name
        self._serve = serve
        self.ok = False
        self.detail = "not connected yet"
        telemetry.CONNECTED.labels(what=name).set(0)

    def up(self) -> None:
        """Note that the connection can be used. `serve` calls this."""
        self.ok, self.detail = True, "connected"
        telemetry.CONNECTED.labels(what=self._name).set(1)
        log.info("connected", what=self._name)

    async def keep(self) -> None:
        """Call `serve` again and again, for ever. Unavailable leads to a retry; any other error is raised."""
        delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
        while True:
            began = time.monotonic()
            try:
                await self._serve(self)
            except* Unavailable as errors:
                error = str(_first(errors))
                if self.ok or error != self.detail:
                    log.warning("connection_failed", what=self._name, error=error, mend="retrying until it answers")
                self.detail = error
            self.ok = False
            telemetry.CONNECTED.labels(what=self._name).set(0)
            telemetry.RECONNECTS.labels(what=self._name).inc()
            if time.monotonic() - began > SETTLED_S:
                delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
            await asyncio.sleep(next(delays))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
