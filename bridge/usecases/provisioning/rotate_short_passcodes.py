"""Rotates the short passcodes: those that were made before the odds were bounded, and imported ones.

A length that holds more live codes than `code_lengths` allows is too short for them. Each code of such a length gets
new digits. Once that is done, the odds that one entry opens anything are bounded again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final
from uuid import UUID

from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.tenants import ShortPasscode
from bridge.usecases.provisioning import provision_passcodes
from bridge.usecases.provisioning.ports import CodeSpace, Keys, ShortPasscodes

PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class RotatedPasscode:
    """A short passcode, and the digits that came in its place.

    `digits` is None for an expired passcode: it was revoked, and nothing came in its place.
    """

    old: ShortPasscode
    digits: str | None


def worst_odds(spaces: Sequence[CodeSpace]) -> tuple[Fraction, Fraction]:
    """Return the odds that one entry opens anything: on shared numbers, and in the own code space where they are worst.

    They are real odds, with passcodes that were made before they were bounded, and with imported ones.
    """
    shared = (code_lengths.odds(space.live) for space in spaces if space.account_id is None)
    own = (code_lengths.odds(space.live) for space in spaces if space.account_id is not None)
    return max(shared, default=Fraction(0)), max(own, default=Fraction(0))


async def short_passcodes(passcodes: ShortPasscodes, account_id: UUID | None = None) -> AsyncIterator[ShortPasscode]:
    """Yield all short passcodes, of one account or (None) of all accounts, in every code space."""
    for space in await passcodes.code_spaces():
        lengths = space.lengths.overfull(space.live)
        after = None
        while lengths and (found := await passcodes.short_passcodes(space, lengths, account_id, PAGE, after)):
            for one in found:
                yield one
            after = found[-1].id


async def rotate_short_passcodes(
    passcodes: ShortPasscodes,
    keys: Keys,
    atomically: Callable[[], AbstractAsyncContextManager[None]],
    now: datetime,
    overlap: timedelta = timedelta(0),
    account_id: UUID | None = None,
) -> AsyncIterator[RotatedPasscode]:
    """Rotate the short passcodes one by one, and yield each once it is stored.

    The old digits go on to admit for the time of `overlap`. A passcode that is replaced already is left alone until it
    expires. An expired one is revoked. So the rotation may be stopped and run again.

    Raises Invalid (the overlap), Conflict (no place for another passcode).
    """
    async for one in short_passcodes(passcodes, account_id):
        if one.valid_until is not None and one.valid_until <= now:
            await passcodes.revoke_passcode(one.id)
            yield RotatedPasscode(one, None)
        elif not one.replaced:
            async with atomically():
                new = await provision_passcodes.rotate_passcode(passcodes, keys, one.id, now, overlap)
            yield RotatedPasscode(one, new.digits)
