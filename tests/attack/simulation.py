"""One strategy against one installation: what it gets in a month, when the alarm rises, and how the honest fare."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.domain.admission.bucket import DAY_S
from bridge.domain.admission.guessing import MONTH_S
from tests.attack import virtual_time
from tests.attack.honest import Kind, Public, Waits
from tests.attack.installation import TIDY_S, Installation, clock
from tests.attack.openings import Openings, attacking
from tests.attack.strategies import Attacker, Strategy


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a strategy. `measured` is what was simulated.

    The month is that, and its second half again and again for the rest. `alarm_s` is None where no alarm rose, `told_s`
    where no owner was told that a PIN is guessed.
    """

    strategy: Strategy
    measured: Openings
    rooms_month: float
    judged_month: float
    alarm_s: float | None
    told_s: float | None
    waits: Mapping[Kind, Waits]


def simulate(strategy: Strategy, by_length: Mapping[int, int], seed: int = 12) -> Outcome:
    """Simulate one strategy where so many codes of each length are live."""
    return virtual_time.run(_simulate(strategy, by_length, seed))


async def _simulate(strategy: Strategy, by_length: Mapping[int, int], seed: int) -> Outcome:
    installation = Installation(by_length, seed, strategy.nodes)
    attacker, public = Attacker(installation), Public(installation)
    if strategy.prepare:
        await strategy.prepare(attacker)
    began, openings = clock(), installation.openings
    halfway = Openings()

    async def note_halfway() -> None:
        await asyncio.sleep(strategy.measured_s / 2)
        halfway.expected, halfway.judged = openings.expected, openings.judged

    async def attack() -> None:
        attacking.set(True)
        await strategy.attack(attacker)

    tasks = [*installation.keep(TIDY_S if strategy.measured_s > DAY_S else 1.0), note_halfway(), attack()]
    if strategy.honest:
        tasks.append(public.call())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(strategy.measured_s), asyncio.TaskGroup() as group:
            for each in tasks:
                group.create_task(each)
    again = (MONTH_S - strategy.measured_s) / (strategy.measured_s / 2)
    return Outcome(
        strategy,
        openings,
        openings.expected + again * (openings.expected - halfway.expected),
        openings.judged + again * (openings.judged - halfway.judged),
        None if installation.alarm_at is None else installation.alarm_at - began,
        min(installation.told.values()) - began if installation.told else None,
        public.waits if strategy.honest else {},
    )
