"""Calls of the ledger in memory. tests/contracts/billing holds it to what the real one does."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import instant


class FakeOwnCalls:
    """Implements billing_ports.OwnCalls. `asked` are the spans that were asked for."""

    def __init__(self, calls: Sequence[OwnCall], *, away: bool = False) -> None:
        self._calls = sorted(calls, key=lambda call: (call.started_us, call.id))
        self._away = away
        self.asked: list[tuple[datetime, datetime]] = []

    async def started(
        self, since: datetime, until: datetime, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[OwnCall]:
        if self._away:
            raise Unavailable("the ledger is away")
        self.asked.append((since, until))
        later = [call for call in self._calls if after is None or (instant(call.started_us), call.id) > after]
        return [call for call in later if since <= instant(call.started_us) < until][:limit]
