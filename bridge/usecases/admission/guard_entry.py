"""The guard of the dialogue: it decides on delays and blocks, and records refused entries."""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog

from bridge.domain.admission.grant import Grant
from bridge.domain.admission.recent_callers import RecentCallers
from bridge.domain.admission.refusal import GUESSES, Refusal, RefusedEntry
from bridge.domain.admission.throttle import ThrottleKey
from bridge.domain.admission.throttles import ActiveThrottle, CallSource, Throttles
from bridge.domain.errors import NotFound

log = structlog.get_logger()

UNSTORED: Final = 10_000
"""The most refused entries that wait in memory while the disk can't store them. Beyond it the oldest are dropped."""


class Guard:
    """All that the node knows of failures. It answers at once, from memory; `keep_throttles` stores its changes.

    `unstored` are refused entries that no disk has yet, and `dropped` counts those that were lost for want of space.
    """

    def __init__(
        self,
        node: str,
        throttles: Throttles,
        knows: Callable[[str], bool],
        on_refusal: Callable[[Refusal], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`knows` returns True for a number that a sub-account knows; `clock` returns seconds since 1970."""
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

    def source(self, caller: str, trunk: str, access_number: str, trunk_id: UUID | None = None) -> CallSource:
        """The source of a call, whose caller's number is in the form in which callers are compared."""
        known = bool(caller) and (self._is_recent(caller) or self._knows(caller))
        return CallSource(caller, trunk, access_number, known, trunk_id)

    def _is_recent(self, caller: str) -> bool:
        """Return True for a caller who was admitted lately. Versions of before kept numbers without their +."""
        return any(self.recent_callers.has(form, self.now) for form in {caller, caller.lstrip("+")})

    def blocked(self, source: CallSource) -> bool:
        return self.throttles.blocked(source, self.now)

    def delay_s(self, source: CallSource) -> float:
        return self.throttles.delay_s(source, self.now)

    def refused(self, source: CallSource, uniqueid: str, reason: Refusal, grant: Grant | None = None) -> None:
        """Record a refused entry, and count a failure if it was a guess. `grant` is that of a code that was right."""
        now = self.now
        if reason in GUESSES:
            self.throttles.fail(source, now)
        account_id, sub_account_id, passcode_id = _ids(grant) if grant else (None, None, None)
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
                account_id,
                sub_account_id,
                passcode_id,
                source.trunk_id,
            )
        )
        if len(self.unstored) > UNSTORED:
            self.unstored.popleft()
            self.dropped += 1
        self._on_refusal(reason)
        trunk = str(source.trunk_id) if source.trunk_id else source.trunk
        log.info("entry_refused", reason=reason.value, access_number=source.access_number, trunk=trunk)

    def admitted(self, source: CallSource) -> None:
        """Note that a caller from this source was admitted."""
        self.recent_callers.admitted(source.caller, self.now)

    # --- ports.Blocks, but for the audit ----------------------------------------------------------------------------
    def active(self) -> list[ActiveThrottle]:
        return self.throttles.active(self.now)

    def lift(self, block_id: UUID) -> ThrottleKey:
        """Forget all failures of a key. Raises NotFound if it neither delays nor blocks."""
        for throttle in self.active():
            if throttle.key.id == block_id:
                self.throttles.lift(throttle.key)
                return throttle.key
        raise NotFound("there is no such block, or it has ended")


def _ids(grant: Grant) -> tuple[UUID, UUID, UUID]:
    return UUID(grant.account_id), UUID(grant.sub_account_id), UUID(grant.passcode_id)
