"""Our calls are read whole, page by page, around the period."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from bridge.domain.billing.carrier_call import OwnCall
from bridge.domain.metering.records import instant
from bridge.usecases.billing import reconcile_carrier as usecase
from bridge.usecases.billing.reconcile_carrier import reconcile_carrier
from tests.domain.billing.carrier_books import SECOND, START, TERMS, copied, own


class Book:
    """Implements ports.Calls."""

    def __init__(self, calls: list[OwnCall]) -> None:
        self._calls = sorted(calls, key=lambda call: (call.started_us, call.id))
        self.asked: list[tuple[datetime, datetime]] = []

    async def started(
        self, since: datetime, until: datetime, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[OwnCall]:
        self.asked.append((since, until))
        later = [call for call in self._calls if after is None or (instant(call.started_us), call.id) > after]
        return [call for call in later if since <= instant(call.started_us) < until][:limit]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_every_page_is_read(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(usecase, "PAGE", page)
    calls = [own(number, START + number // 2 * SECOND, caller=f"49301234{number:02}") for number in range(6)]
    counts: list[int] = []
    found = await reconcile_carrier(Book(calls), copied(calls), TERMS, counts.append)
    assert (found.agreed, len(found.matched)) == (True, 6)
    assert counts[-1] == 6


async def test_more_is_read_than_the_period_so_that_its_edges_find_their_partners() -> None:
    book = Book([])
    await reconcile_carrier(book, [], TERMS)
    [(since, until)] = book.asked
    assert since < instant(TERMS.since_us) - timedelta(seconds=30)
    assert until >= instant(TERMS.until_us) + timedelta(seconds=30)
