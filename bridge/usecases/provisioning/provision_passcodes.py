"""Passcodes of a room: made, changed, rotated, revealed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bridge.domain.errors import Conflict, Invalid, InvalidRows, Stale, TooMany
from bridge.domain.provisioning import validation
from bridge.domain.provisioning.changes import UNSET, PasscodeChanges, given
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import ANY_TIME, Passcode, PasscodeTerms
from bridge.usecases.provisioning import issue_codes, pacing
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import CodeTaken, Keys, Passcodes

BULK_MOST: Final = 5000
OVERLAP_MOST: Final = timedelta(days=7)
TRIES_A_DAY: Final = 20
"""Chosen codes that an account may try a day. The tried codes that are found to be live must stay few: see REST's page
in docs/."""
_REFUSED: Final = "this passcode cannot be used; choose another, or leave digits out to have one generated"

_CHOSEN_IN_BULK: Final = (
    "only an operator key may choose digits in a bulk request: leave digits out to have them generated, or send one "
    "passcode at a time"
)


async def add_passcode(
    passcodes: Passcodes,
    keys: Keys,
    room_id: UUID,
    role: Role,
    digits: str | None = None,
    terms: PasscodeTerms = ANY_TIME,
    pin: str | None = None,
    tenant: UUID | None = None,
) -> Passcode:
    """A further passcode of a room: generated, or chosen by its owner. Raises Invalid, NotFound, Conflict, TooMany.

    `tenant` is the account whose key asks, None for the operator's. A tenant's chosen code counts as a try before it is
    looked up. The count stays whatever becomes of the request.
    """
    wanted = WantedCode(role, digits, terms, pin)
    with _one_row():
        if tenant is not None and digits is not None:
            [wanted] = await checked([wanted])
            await _count_try(passcodes, tenant)
        return (await add_passcodes(passcodes, keys, room_id, [wanted]))[0]


async def add_many_passcodes(
    passcodes: Passcodes, keys: Keys, room_id: UUID, wanted: Sequence[WantedCode], tenant: UUID | None = None
) -> list[Passcode]:
    """Many of them or none, as `add_passcode` makes one; but a tenant may choose no code here.

    Raises InvalidRows, NotFound, Conflict.
    """
    if tenant is not None and (chosen := [place for place, one in enumerate(wanted) if one.digits is not None]):
        raise InvalidRows([(place, "digits", _CHOSEN_IN_BULK) for place in chosen])
    return await add_passcodes(passcodes, keys, room_id, wanted)


async def add_passcodes(
    passcodes: Passcodes, keys: Keys, room_id: UUID, wanted: Sequence[WantedCode], *, in_place: bool = False
) -> list[Passcode]:
    """All of them or none. Raises InvalidRows, NotFound, Conflict.

    A chosen code that is weak, taken, or begins with a taken one is refused in the same words, after the same work.
    `in_place` says that they replace as many others, which are revoked in the same unit of work.
    """
    wanted = await checked(wanted)
    choosing = any(one.digits is not None for one in wanted)
    site = await passcodes.code_site(room_id, known=choosing)
    codes = await issue_codes.made(keys, site.space, wanted, site.known)
    for _ in range(issue_codes.TRIES):
        try:
            return await passcodes.add_passcodes(site, codes, in_place=in_place)
        except CodeTaken as clash:
            taken = clash.taken
        refused = sorted(place for place in taken if codes[place].chosen)
        if refused:
            await passcodes.note_refused(site, len(refused))
            raise InvalidRows([(place, "digits", _REFUSED) for place in refused])
        if taken:
            codes = await issue_codes.others(keys, site.space, wanted, codes, taken)
        else:
            site = await passcodes.code_site(room_id, known=choosing)
            codes = await issue_codes.made(keys, site.space, wanted, site.known)
    raise issue_codes.unlucky()


async def change_passcode(
    passcodes: Passcodes, passcode_id: UUID, changes: PasscodeChanges, expected: int | None = None
) -> Passcode:
    """Other terms for a passcode. Raises Invalid, NotFound, Conflict (it is revoked), Stale."""
    changes = validation.checked(changes)
    if changes.valid_from is not UNSET or changes.valid_until is not UNSET:
        now = await passcodes.passcode(passcode_id)
        validation.window(replace(_terms(now), **given(changes)))
    return await passcodes.change_passcode(passcode_id, changes, expected)


async def rotate_passcode(
    passcodes: Passcodes,
    keys: Keys,
    passcode_id: UUID,
    now: datetime,
    overlap: timedelta = timedelta(0),
    expected: int | None = None,
) -> Passcode:
    """New digits in place of a passcode's, with the same role, label, limits and PIN. The old ones are revoked at once,
    or admit for another `overlap` (≤ 7 days). Raises Invalid, NotFound, Conflict (it is revoked), Stale."""
    if not timedelta(0) <= overlap <= OVERLAP_MOST:
        raise Invalid("overlap_s", f"0 to {OVERLAP_MOST // timedelta(seconds=1)} seconds")
    old = await passcodes.passcode(passcode_id)
    if expected is not None and old.version != expected:
        raise Stale(f"this passcode is at version {old.version} by now: read it again, then rotate it")
    if old.state != "live":
        raise Conflict("the passcode has been revoked: make a new one")
    _, pin_sealed = await passcodes.sealed(passcode_id)
    pin = None if pin_sealed is None else keys.unseal(pin_sealed)
    wanted = WantedCode(old.role, None, _terms(old), pin, old.id)
    [new] = await add_passcodes(passcodes, keys, old.room_id, [wanted], in_place=not overlap)
    end = now + overlap
    if not overlap:
        await passcodes.revoke_passcode(passcode_id, old.version)
    elif old.valid_until is None or end < old.valid_until:
        await passcodes.change_passcode(passcode_id, PasscodeChanges(valid_until=end), old.version)
    return new


async def reveal(passcodes: Passcodes, keys: Keys, passcode_id: UUID) -> str:
    """The digits of a passcode, for its owner. Raises NotFound, Conflict (it is revoked)."""
    return (await reveal_all(passcodes, keys, passcode_id))[0]


async def reveal_all(passcodes: Passcodes, keys: Keys, passcode_id: UUID) -> tuple[str, str | None]:
    """The digits of a passcode and its PIN, for its owner. The audit log records it. Raises NotFound, Conflict."""
    digits, pin = await passcodes.sealed(passcode_id)
    await passcodes.note_reveal(passcode_id)
    return keys.unseal(digits), None if pin is None else keys.unseal(pin)


async def _count_try(passcodes: Passcodes, account_id: UUID) -> None:
    """Raises TooMany if the account has no try left today."""
    tries = await passcodes.count_try(account_id)
    if tries.today > TRIES_A_DAY:
        raise TooMany(
            f"an account may try {TRIES_A_DAY} chosen passcodes a day, and these are used up: leave digits out to have "
            "them generated, or ask the operator",
            tries.next_day_s,
        )


def _terms(of: Passcode) -> PasscodeTerms:
    return PasscodeTerms(of.label, of.valid_from, of.valid_until, of.max_uses)


async def checked(wanted: Sequence[WantedCode]) -> list[WantedCode]:
    """Passcodes to be made whose terms are valid. Raises Invalid (too many), InvalidRows."""
    if not 1 <= len(wanted) <= BULK_MOST:
        raise Invalid("items", f"1 to {BULK_MOST} at a time")
    bad, good = [], []
    async for place, one in pacing.with_pauses(enumerate(wanted)):
        try:
            good.append(replace(one, terms=validation.window(validation.checked(one.terms))))
        except Invalid as error:
            bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    return good


@contextmanager
def _one_row() -> Iterator[None]:
    """Turn the error about the only row of a request into an error about the request."""
    try:
        yield
    except InvalidRows as error:
        [(_, field, reason)] = error.rows
        raise Invalid(field, reason) from error
