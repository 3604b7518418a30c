"""The liveness check of an ARI connection: an event of the daemon's own, sent through Asterisk and back.

Asterisk may take the application away from a connection that stays open, without a word. This happens where it ends a
dead connection while it opens the next one, as when Asterisk was frozen while the daemon was killed: the end of the
first connection unregisters what the second has just registered. Requests are still answered then, but no call is
offered any more, and callers would wait for a daemon that believes itself connected. It happens as a connection
begins, so a young one is given up sooner: no caller of it is far into the dialogue yet.
"""

import asyncio
from typing import Final

from bridge.asterisk.ari.client import APPLICATION, Ari, AriFailed, AriUnreachable

INTERVAL_S: Final = 1.0
ECHO_TIMEOUT_S: Final = 5.0
YOUNG_S: Final = 5.0
YOUNG_TIMEOUT_S: Final = 1.5
EVENT_NAME: Final = "BridgeEcho"


class LivenessCheck:
    """The check of one connection. Its reader calls `heard` for each event named EVENT_NAME."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def heard(self) -> None:
        """The event came back."""
        self._heard.set()

    async def listen(self, ari: Ari) -> None:
        """Send the event every INTERVAL_S, for as long as the connection lives.

        Raises AriUnreachable when it does not come back within ECHO_TIMEOUT_S, in the first YOUNG_S of the connection
        within YOUNG_TIMEOUT_S.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            self._heard.clear()
            young = clock() - began < YOUNG_S
            try:
                await ari.request("POST", f"events/user/{EVENT_NAME}", {"application": APPLICATION})
                async with asyncio.timeout(YOUNG_TIMEOUT_S if young else ECHO_TIMEOUT_S):
                    await self._heard.wait()
            except (AriFailed, TimeoutError) as error:
                raise AriUnreachable("ARI answers, but offers no calls on this connection; connecting anew") from error
            await asyncio.sleep(INTERVAL_S)
