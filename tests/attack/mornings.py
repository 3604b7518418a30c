"""Mornings without an attacker: nine o'clock in a company, and an invitation with a misprint.

All callers of a company have one number, since its telephone system sends that of the switchboard.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.domain.admission.prompt import Prompt
from tests.attack import honest, virtual_time
from tests.attack.codes import uuid
from tests.attack.honest import Waits
from tests.attack.installation import Installation
from tests.attack.lines import Entry, Line
from tests.attack.openings import Openings, attacking

COMPANY: Final = "+493012345678"
SUB_ACCOUNT: Final = uuid(700)

Entries = Callable[[Installation, list[str]], deque[Entry]]
"""Entries of one caller, who was invited to one of some codes."""


@dataclass(frozen=True, slots=True)
class Morning:
    """What callers felt: `asked_to_wait` of them were asked to wait. `entries` counts their wrong entries."""

    waits: Waits
    asked_to_wait: int
    entries: Openings
    alarm: bool


def nine_o_clock(by_length: Mapping[int, int], known: bool, callers: int = 200) -> Morning:
    """Callers of one number, one a second, some of whom mistype first. They join 20 meetings."""

    def entries(installation: Installation, codes: list[str]) -> deque[Entry]:
        return honest.entries(installation, installation.random.choice(codes))

    return virtual_time.run(_morning(by_length, known, callers, entries))


def misprint(by_length: Mapping[int, int], known: bool, callers: int = 30) -> Morning:
    """Colleagues who all key the code of an invitation with a misprint, one a second, and then the right one."""
    wrong: list[str] = []

    def entries(installation: Installation, codes: list[str]) -> deque[Entry]:
        wrong[:] = wrong or [honest.slip(installation, codes[0])]
        return honest.entries(installation, codes[0], wrong[0])

    return virtual_time.run(_morning(by_length, known, callers, entries))


async def _morning(by_length: Mapping[int, int], known: bool, callers: int, entries: Entries) -> Morning:
    installation = Installation(by_length, seed=9)
    codes = [installation.codes.make(SUB_ACCOUNT) for _ in range(20)]
    if known:
        installation.codes.knowing[COMPANY] = frozenset({SUB_ACCOUNT})
    attacking.set(True)  # so that their wrong entries are counted
    keepers = [asyncio.create_task(each) for each in installation.keep()]
    lines: list[Line] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            lines.append(Line(entries(installation, codes), COMPANY))
            group.create_task(lines[-1].call(installation.nodes[0]))
            await asyncio.sleep(1.0)
    for each in keepers:
        each.cancel()
    waits = Waits()
    for line in lines:
        waits.add(line)
    asked = sum(any(prompt is Prompt.WAIT for _, prompt in line.heard) for line in lines)
    return Morning(waits, asked, installation.openings, installation.alarm_at is not None)
