"""Whether an entry is listened to, how long it waits to be judged, and what a refusal leaves behind."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog

from bridge.domain import phone
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.recent_callers import RecentCallers
from bridge.domain.admission.refusal import GUESSES, Refusal, RefusedEntry
from bridge.domain.admission.throttle import ThrottleKey
from bridge.domain.admission.throttles import ActiveThrottle, CallSource, Throttles
from bridge.domain.errors import NotFound

log = structlog.get_logger()

UNSTORED: Final = 10_000
"""So many attempts wait in memory while they can't be stored at all; the oldest of more are dropped."""


class Guard:
    """What the node knows of failures. Answers at once, from memory; `keep_throttles` stores what changes here."""

    def __init__(
        self,
        node: str,
        throttles: Throttles,
        knows: Callable[[str], bool],
        on_refusal: Callable[[Refusal], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`knows` tells whether a sub-account knows a caller's number; `clock` is in seconds since 1970."""
        self.throttles = throttles
        self.recent_callers = RecentCallers()
        self.unstored: deque[RefusedEntry] = deque()
        self.dropped = 0
        self._node = node
        self._knows = knows
        self._on_refusal = on_refusal
        self._clock = clock

    @property
    def now(self) -> float:
        return self._clock()

    def source(self, caller: str, trunk: str, access_number: str) -> CallSource:
        """Where a call comes from; a number of no digits but zeros counts as withheld."""
        number = phone.dialled(caller)
        if not phone.tail(number, phone.MAX_DIGITS):
            return CallSource("", trunk, access_number)
        known = self.recent_callers.has(number, self.now) or self._knows(number)
        return CallSource(number, trunk, access_number, known)

    def blocked(self, source: CallSource) -> bool:
        return self.throttles.blocked(source, self.now)

    def delay_s(self, source: CallSource) -> float:
        return self.throttles.delay_s(source, self.now)

    def refused(self, source: CallSource, uniqueid: str, reason: Refusal, entry: Grant | None = None) -> None:
        """An entry was refused. `entry` is whose code was right."""
        now = self.now
        if reason in GUESSES:
            self.throttles.fail(source, now)
        self.unstored.append(
            RefusedEntry(
                uuid4(),
                datetime.fromtimestamp(now, UTC),
                self._node,
                uniqueid,
                source.caller,
                source.access_number,
                source.trunk,
                reason,
                *(_ids(entry) if entry else ()),
            )
        )
        if len(self.unstored) > UNSTORED:
            self.unstored.popleft()
            self.dropped += 1
        self._on_refusal(reason)
        log.info("entry_refused", reason=reason.value, access_number=source.access_number)

    def admitted(self, source: CallSource) -> None:
        """Somebody from there was let in."""
        self.recent_callers.admitted(source.caller, self.now)

    # --- ports.Blocks, but for the audit ----------------------------------------------------------------------------
    def active(self) -> list[ActiveThrottle]:
        return self.throttles.active(self.now)

    def lift(self, block_id: UUID) -> ThrottleKey:
        """Forget all failures of a key. Raises NotFound."""
        for throttle in self.active():
            if throttle.key.id == block_id:
                self.throttles.lift(throttle.key)
                return throttle.key
        raise NotFound("there is no such block, or it has ended")


def _ids(entry: Grant) -> Iterable[UUID]:
    return UUID(entry.account_id), UUID(entry.sub_account_id), UUID(entry.passcode_id)
