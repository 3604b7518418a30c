"""The retries of deliveries: exponential backoff from FIRST_S to LONGEST_S, until PATIENCE has passed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bridge.domain import retry

FIRST_S: Final = 5.0
LONGEST_S: Final = 6 * 3600.0
PATIENCE: Final = timedelta(days=3)
"""A delivery that was not received so long after its event fails for good, at its next attempt."""
GONE: Final = 410
_THROTTLING: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one attempt: the status of the response, or None and an `error` that says why there was none.

    `retry_after_s` is the delay that the receiver asked for (header Retry-After).
    """

    status: int | None
    error: str = ""
    retry_after_s: int | None = None

    @property
    def delivered(self) -> bool:
        """True if the receiver accepted the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """True if the receiver wants no more messages (410 Gone)."""
        return self.status == GONE


def again_s(attempts: int, age: timedelta, reply: Reply, spread: float) -> float | None:
    """Return the seconds until the next attempt after `attempts` that failed, None if there is none.

    `age` is the time since the delivery was made; `spread` is random in [0, 1).
    """
    if age >= PATIENCE:
        return None
    wait = retry.delay(attempts, FIRST_S, LONGEST_S, spread)
    if reply.status in _THROTTLING and reply.retry_after_s is not None:
        wait = max(wait, min(reply.retry_after_s, LONGEST_S))
    # The last attempt falls on the end of PATIENCE, instead of up to LONGEST_S before it.
    return min(wait, (PATIENCE - age).total_seconds())
