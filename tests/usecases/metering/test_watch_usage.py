"""The alarm about unusual usage: told once while it lasts, and again when it comes back."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from bridge.domain.errors import Unavailable
from bridge.domain.metering.usage import DayUsage, UsageKind
from bridge.usecases.metering import watch_usage
from bridge.usecases.metering.ports import Usage

PUMPED = DayUsage(UsageKind.ACCESS_NUMBER, "18005550100", 9000, 100)
QUIET = DayUsage(UsageKind.ACCOUNT, "a", 90, 100)


class Days(Usage):
    """Usage as a script: one list for each look, None while Postgres is away. Then nothing more comes."""

    def __init__(self, *looks: list[DayUsage] | None) -> None:
        self._looks = list(looks)
        self.over = asyncio.Event()

    async def of_day(self, until: datetime) -> Sequence[DayUsage]:
        if not self._looks:
            self.over.set()
            await asyncio.Event().wait()
        look = self._looks.pop(0)
        if look is None:
            raise Unavailable("Postgres is away")
        return look


async def test_unusual_usage_is_told_once_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_usage, "LOOK_S", 0)
    days = Days([PUMPED, QUIET], None, [PUMPED], [QUIET], [PUMPED])
    told, counts, away = list[DayUsage](), list[int](), [True]

    async def tell(usage: DayUsage) -> None:
        if away.pop() if away else False:
            raise Unavailable("Postgres went away")
        told.append(usage)

    watching = asyncio.create_task(watch_usage.watch_usage(days, 2000, tell, counts.append))
    async with asyncio.timeout(10):
        await days.over.wait()
    watching.cancel()
    await asyncio.wait([watching])
    # The first was not told, because Postgres was away: so the next look tells it.
    assert told == [PUMPED, PUMPED]
    assert counts == [1, 0, 1]
