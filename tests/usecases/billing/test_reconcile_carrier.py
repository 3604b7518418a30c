"""Our calls are read whole, page by page, around the period."""

from datetime import timedelta

import pytest

from bridge.domain.metering.records import instant
from bridge.usecases.billing import reconcile_carrier as usecase
from bridge.usecases.billing.reconcile_carrier import reconcile_carrier
from tests.domain.billing.carrier_books import SECOND, START, TERMS, copied, own
from tests.usecases.billing.fake_own_calls import FakeOwnCalls


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_every_page_is_read(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(usecase, "PAGE", page)
    calls = [own(number, START + number // 2 * SECOND, caller=f"49301234{number:02}") for number in range(6)]
    counts: list[int] = []
    found = await reconcile_carrier(FakeOwnCalls(calls), copied(calls), TERMS, counts.append)
    assert (found.agreed, len(found.matched)) == (True, 6)
    assert counts[-1] == 6


async def test_more_is_read_than_the_period_so_that_its_edges_find_their_partners() -> None:
    book = FakeOwnCalls([])
    await reconcile_carrier(book, [], TERMS)
    [(since, until)] = book.asked
    assert since < instant(TERMS.since_us) - timedelta(seconds=30)
    assert until >= instant(TERMS.until_us) + timedelta(seconds=30)
