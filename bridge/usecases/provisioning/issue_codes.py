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
    """Codes that fit a space. Chosen ones that are weak are marked so. Raises InvalidRows, Conflict (it is full)."""
    return await _codes(keys, space, wanted, await _digits(space, wanted), tuple(known))


async def imported(keys: Keys, space: CodeSpace, wanted: Sequence[WantedCode]) -> list[NewCode]:
    """Codes of the digits that are wanted, of any length, weak ones too. Raises InvalidRows."""
    return await _codes(keys, space, wanted, [one.digits or "" for one in wanted], (), weak_too=True)


async def others(
    keys: Keys, space: CodeSpace, wanted: Sequence[WantedCode], codes: Sequence[NewCode], taken: frozenset[int]
) -> list[NewCode]:
    """Draw other digits for the codes at the places that are taken. Return all codes."""
    digits = [
        _drawn(one, code.length) if place in taken else code.digits
        for place, (one, code) in enumerate(zip(wanted, codes, strict=True))
    ]
    places = sorted(taken)
    lengths = _lengths(space, digits)
    renewed = list(codes)
    async for place in pacing.with_pauses(places):
        renewed[place] = _code(keys, space, wanted[place], digits[place], lengths)
    return renewed


async def stored(
    keys: Keys,
    wanted: Sequence[WantedCode],
    space: Callable[[], Awaitable[CodeSpace]],
    store: Callable[[CodeSpace, Sequence[NewCode]], Awaitable[Stored]],
) -> Stored:
    """Make generated codes and store them; others when some are taken. Raises Conflict and what `store` raises."""
    seen = await space()
    codes = await made(keys, seen, wanted)
    for _ in range(TRIES):
        try:
            return await store(seen, codes)
        except CodeTaken as clash:
            taken = clash.taken
        if taken:
            codes = await others(keys, seen, wanted, codes, taken)
        else:
            seen = await space()
            codes = await made(keys, seen, wanted)
    raise unlucky()


def unlucky() -> Conflict:
    """The error for a request whose every try met codes that are taken."""
    return Conflict("no free passcode was found in many tries; the next attempt may succeed")


async def _digits(space: CodeSpace, wanted: Sequence[WantedCode]) -> list[str]:
    """The digits of each. Raises InvalidRows for chosen ones of a wrong length, Conflict if the space is full."""
    digits, bad = [], []
    lengths = space.lengths.of_new(space.live, len(wanted))
    async for place, (one, length) in pacing.with_pauses(enumerate(zip(wanted, lengths, strict=True))):
        try:
            digits.append(_drawn(one, length) if one.digits is None else passcode.chosen(one.digits, length))
        except Invalid as error:
            bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    return digits


def _drawn(one: WantedCode, length: int) -> str:
    """Random digits that do not hold the PIN that goes with them."""
    digits = passcode.generated(length, secrets.randbelow)
    while one.pin is not None and len(one.pin) >= passcode.PIN_DIGITS and one.pin in digits:
        digits = passcode.generated(length, secrets.randbelow)
    return digits


def _lengths(space: CodeSpace, digits: Iterable[str]) -> list[int]:
    """All lengths at which a beginning of one of these codes may be live."""
    return sorted(space.live.keys() | {len(each) for each in digits})


async def _codes(
    keys: Keys,
    space: CodeSpace,
    wanted: Sequence[WantedCode],
    digits: Sequence[str],
    known: tuple[str, ...],
    *,
    weak_too: bool = False,
) -> list[NewCode]:
    """Raises InvalidRows (PINs)."""
    lengths, bad, codes = _lengths(space, digits), [], []
    async for place, (one, each) in pacing.with_pauses(enumerate(zip(wanted, digits, strict=True))):
        weak = one.digits is not None and not weak_too and weak_codes.is_weak(each, known)
        try:
            codes.append(_code(keys, space, one, each, lengths, weak))
        except Invalid as error:
            bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    return codes


def _code(
    keys: Keys, space: CodeSpace, one: WantedCode, digits: str, lengths: Sequence[int], weak: bool = False
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
        weak=weak,
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
