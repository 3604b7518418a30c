"""Makes new passcodes, generated or chosen by their owner. All codes that can be dialled together stay prefix-free."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID, uuid4

from bridge.domain.errors import Conflict, Invalid, InvalidRows
from bridge.domain.provisioning import passcode, weak_codes
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import ANY_TIME, PasscodeTerms
from bridge.usecases.provisioning import pacing
from bridge.usecases.provisioning.ports import CodeSpace, CodeTaken, Keys, NewCode, NewPin

Stored = TypeVar("Stored")
TRIES: Final = 20
GENERATE: Final = "generate"


@dataclass(frozen=True, slots=True)
class WantedCode:
    """A passcode to be made: `digits` of its owner's choice, or None for generated ones; the same of `pin`, where None
    is no PIN and GENERATE has one made."""

    role: Role
    digits: str | None = None
    terms: PasscodeTerms = ANY_TIME
    pin: str | None = None
    replaces: UUID | None = None


FIRST: Final = (WantedCode(Role.HOST), WantedCode(Role.GUEST))
"""The passcodes of a new room."""


async def made(keys: Keys, space: CodeSpace, wanted: Sequence[WantedCode], known: Iterable[str] = ()) -> list[NewCode]:
    """Codes that fit a space. Chosen ones that are weak are marked so. Raises InvalidRows."""
    digits = await _digits(space, wanted)
    lengths = sorted(space.lengths | {len(each) for each in digits})
    told, bad, codes = tuple(known), [], []
    async for place, (one, each) in pacing.with_pauses(enumerate(zip(wanted, digits, strict=True))):
        try:
            codes.append(_code(keys, space, one, each, lengths, told))
        except Invalid as error:
            bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    return codes


async def stored(
    keys: Keys,
    wanted: Sequence[WantedCode],
    space: Callable[[], Awaitable[CodeSpace]],
    store: Callable[[CodeSpace, Sequence[NewCode]], Awaitable[Stored]],
) -> Stored:
    """Make generated codes and store them; others when some are taken. Raises Conflict and what `store` raises."""
    for _ in range(TRIES):
        seen = await space()
        try:
            return await store(seen, await made(keys, seen, wanted))
        except CodeTaken:
            continue
    raise unlucky()


def unlucky() -> Conflict:
    """The error for a request whose every try met codes that are taken."""
    return Conflict("no free passcode was found in many tries; the next attempt may succeed")


async def _digits(space: CodeSpace, wanted: Sequence[WantedCode]) -> list[str]:
    """The digits of each. Raises InvalidRows for chosen ones of a wrong length."""
    before = space.live + len(wanted) - 1
    chosen, bad = {}, []
    for place, one in enumerate(wanted):
        if one.digits is not None:
            try:
                chosen[place] = passcode.chosen(one.digits, before, space.longest, space.own)
            except Invalid as error:
                bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    longest = max(map(len, chosen.values()), default=0)
    length = passcode.new_length(before, max(space.longest, longest), space.own)
    return [
        chosen[place] if place in chosen else passcode.generated(length, secrets.randbelow)
        async for place in pacing.with_pauses(range(len(wanted)))
    ]


def _code(
    keys: Keys, space: CodeSpace, one: WantedCode, digits: str, lengths: Sequence[int], known: tuple[str, ...]
) -> NewCode:
    """Raises Invalid (the PIN)."""
    prefixes = tuple(
        passcode.digest(digits[:length], key, space.salt)
        for key in keys.lookups
        for length in lengths
        if length <= len(digits)
    )
    code_id = uuid4()
    return NewCode(
        role=one.role,
        digest=passcode.digest(digits, keys.lookup, space.salt),
        length=len(digits),
        sealed=keys.seal(digits),
        prefixes=prefixes,
        digits=digits,
        key_id=keys.id,
        id=code_id,
        terms=one.terms,
        pin=None if one.pin is None else _pin(keys, code_id, one.pin, digits),
        chosen=one.digits is not None,
        weak=one.digits is not None and weak_codes.is_weak(digits, known),
        replaces=one.replaces,
    )


def _pin(keys: Keys, code_id: UUID, wanted: str, digits: str) -> NewPin:
    """Raises Invalid."""
    if wanted == GENERATE:
        pin = passcode.generated(passcode.PIN_DIGITS, secrets.randbelow)
        while pin in digits:
            pin = passcode.generated(passcode.PIN_DIGITS, secrets.randbelow)
    else:
        pin = passcode.chosen_pin(wanted, digits)
    return NewPin(pin, passcode.pin_digest(pin, keys.lookup, code_id.bytes), keys.seal(pin))
