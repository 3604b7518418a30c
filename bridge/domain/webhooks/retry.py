"""What becomes of a delivery after an attempt: when it is tried again, and when no more."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bridge.domain import retry

FIRST_S: Final = 5.0
LONGEST_S: Final = 6 * 3600.0
PATIENCE: Final = timedelta(days=3)
"""So long after its event a delivery that was not received fails for good, at its next attempt."""
GONE: Final = 410
_THROTTLING: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Reply:
    """What an attempt came to: the status of the answer, or None and why there was none. `retry_after_s` is when the
    receiver asked to be tried again."""

    status: int | None
    error: str = ""
    retry_after_s: int | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == GONE


def again_s(attempts: int, age: timedelta, reply: Reply, spread: float) -> float | None:
    """Seconds until the next attempt after `attempts` that failed, None when there is none.

    `age` is the time since the delivery was made; `spread` is random in [0, 1).
    """
    if age >= PATIENCE:
        return None
    wait = retry.delay(attempts, FIRST_S, LONGEST_S, spread)
    if reply.status in _THROTTLING and reply.retry_after_s is not None:
        wait = max(wait, min(reply.retry_after_s, LONGEST_S))
    # The last attempt is at the end of its time, rather than up to LONGEST_S before.
    return min(wait, (PATIENCE - age).total_seconds())
