"""Whether events still come over a connection that answers requests: one of our own, sent through Asterisk and back.

Asterisk may take our application away from a connection that stays open, without a word: where it ends a dead
connection while it opens the next one, as when it was frozen while the daemon was killed, the end of the first
unregisters what the second has just registered. Calls would wait for a daemon that believes itself connected.
"""

import asyncio
from typing import Final

from bridge.asterisk.ari.client import APPLICATION, Ari, AriFailed, AriUnreachable

INTERVAL_S: Final = 1.0
ECHO_TIMEOUT_S: Final = 5.0
EVENT_NAME: Final = "BridgeEcho"


class LivenessCheck:
    """One connection's own event, and whether it came back."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def heard(self) -> None:
        """It came back."""
        self._heard.set()

    async def listen(self, ari: Ari) -> None:
        """Call every ECHO_S for as long as the connection lives. Raises AriUnreachable when no echo comes."""
        while True:
            self._heard.clear()
            try:
                await ari.request("POST", f"events/user/{EVENT_NAME}", {"application": APPLICATION})
                async with asyncio.timeout(ECHO_TIMEOUT_S):
                    await self._heard.wait()
            except (AriFailed, TimeoutError) as error:
                raise AriUnreachable("ARI answers, but offers no calls on this connection; connecting anew") from error
            await asyncio.sleep(INTERVAL_S)
