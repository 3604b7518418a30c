"""Provisioning: accounts, sub-accounts with a working room, access numbers, and what else hangs on them."""

from collections.abc import Sequence
from uuid import UUID

from bridge.domain.errors import Conflict, Invalid, InvalidRows
from bridge.domain.phone import EVERYWHERE, CallerNumbers
from bridge.domain.provisioning import validation
from bridge.domain.provisioning.changes import AccessNumberFields, AccountFields, RoomFields, SubAccountFields
from bridge.domain.provisioning.tenants import (
    AccessNumber,
    Account,
    KnownCaller,
    ProjectCode,
    Room,
    SubAccount,
)
from bridge.usecases.provisioning import issue_codes, pacing
from bridge.usecases.provisioning.ports import CodeSpace, Keys, NewCode, NewSubAccount, Tenants
from bridge.usecases.provisioning.provision_passcodes import BULK_MOST, add_passcode, reveal

__all__ = ["add_passcode", "reveal"]


async def create_account(tenants: Tenants, fields: AccountFields) -> Account:
    """Create an account. Raises Invalid."""
    return await tenants.add_account(validation.checked(fields))


async def create_sub_account(tenants: Tenants, keys: Keys, account_id: UUID, fields: SubAccountFields) -> SubAccount:
    """Create a sub-account with a room, a host passcode and a guest passcode: all it takes to hold a conference.

    Raises Invalid, NotFound (the account), Conflict (the user ID is taken).
    """
    fields = validation.checked(fields)
    try:
        return (await _create(tenants, keys, account_id, [fields]))[0]
    except InvalidRows as error:
        [(_, field, reason)] = error.rows
        raise Conflict(f"{field} {reason}", field) from error


async def create_sub_accounts(
    tenants: Tenants, keys: Keys, account_id: UUID, wanted: Sequence[SubAccountFields]
) -> list[SubAccount]:
    """Many of them, each as `create_sub_account` makes one, or none. Raises InvalidRows, NotFound, Conflict."""
    if not 1 <= len(wanted) <= BULK_MOST:
        raise Invalid("items", f"1 to {BULK_MOST} at a time")
    bad: list[tuple[int, str, str]] = []
    rows: list[SubAccountFields] = []
    places: dict[str, int] = {}
    async for place, one in pacing.with_pauses(enumerate(wanted)):
        try:
            fields = validation.checked(one)
        except Invalid as error:
            bad.append((place, error.field, error.reason))
            continue
        rows.append(fields)
        first = places.setdefault(fields.user_id, place)
        if first != place:
            bad.append((place, "user_id", f"{fields.user_id!r} stands in row {first + 1} already"))
    if bad:
        raise InvalidRows(bad)
    return await _create(tenants, keys, account_id, rows)


async def _create(tenants: Tenants, keys: Keys, account_id: UUID, rows: Sequence[SubAccountFields]) -> list[SubAccount]:
    async def store(seen: CodeSpace, codes: Sequence[NewCode]) -> list[SubAccount]:
        each = len(issue_codes.FIRST)
        new = [NewSubAccount(row, codes[each * place : each * (place + 1)]) for place, row in enumerate(rows)]
        return await tenants.add_sub_accounts(account_id, seen, new)

    wanted = issue_codes.FIRST * len(rows)
    return await issue_codes.stored(keys, wanted, lambda: tenants.code_space(account_id), store)


async def add_room(tenants: Tenants, keys: Keys, sub_account_id: UUID, fields: RoomFields) -> Room:
    """A further room of a sub-account, with a host and a guest passcode. Raises Invalid, NotFound, Conflict."""
    fields = validation.checked(fields)
    account_id = (await tenants.sub_account(sub_account_id)).account_id
    return await issue_codes.stored(
        keys,
        issue_codes.FIRST,
        lambda: tenants.code_space(account_id),
        lambda seen, codes: tenants.add_room(sub_account_id, fields, seen, codes),
    )


async def add_access_number(tenants: Tenants, fields: AccessNumberFields) -> AccessNumber:
    """Add a number that callers dial, shared or dedicated to an account. Raises Invalid, Conflict, NotFound."""
    return await tenants.add_access_number(validation.checked(fields))


async def add_project_code(
    tenants: Tenants, account_id: UUID, sub_account_id: UUID | None, code: str, name: str
) -> ProjectCode:
    """A billing reference of an account, or of one of its sub-accounts alone. Raises Invalid, NotFound, Conflict."""
    code, name = validation.field("code", code), validation.field("name", name)
    return await tenants.add_project_code(account_id, sub_account_id, code, name)


async def add_known_caller(
    tenants: Tenants,
    sub_account_id: UUID,
    number: str,
    name: str,
    room_id: UUID | None = None,
    skips_code: bool = False,
    numbers: CallerNumbers = EVERYWHERE,
) -> KnownCaller:
    """A caller whom a sub-account knows by number and name. Raises Invalid, NotFound, Conflict."""
    canonical, name = numbers.canonical(number), validation.field("name", name)
    if not canonical:
        raise Invalid("number", "is no telephone number, or one that networks send for callers who withhold theirs")
    forms = numbers.stored(canonical)
    return await tenants.add_known_caller(sub_account_id, canonical, name, room_id, skips_code, forms)
