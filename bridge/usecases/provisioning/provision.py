"""Provisioning: accounts, sub-accounts with a working room, access numbers, and what else hangs on them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from bridge.domain.errors import Conflict, Invalid, InvalidRows
from bridge.domain.provisioning import validation
from bridge.domain.provisioning.tenants import (
    AccessNumber,
    Account,
    KnownCaller,
    NumberKind,
    ProjectCode,
    Room,
    SubAccount,
    SubAccountKind,
)
from bridge.usecases.provisioning import issue_codes, pacing
from bridge.usecases.provisioning.ports import NOTHING, Changes, CodeSpace, Keys, NewCode, NewSubAccount, Tenants
from bridge.usecases.provisioning.provision_passcodes import BULK_MOST, add_passcode, reveal

__all__ = ["add_passcode", "reveal"]

_PLAIN: Final[Mapping[str, Any]] = {
    "kind": SubAccountKind.EMPLOYEE,
    "cost_centre": "",
    "max_callers": None,
    "trust_callers": False,
    "labels": {},
}
"""A sub-account of which nothing else is said."""


async def create_account(
    tenants: Tenants, name: str, currency: str, time_zone: str, rest: Changes = NOTHING
) -> Account:
    """A new account; `rest` are further fields of it. Raises Invalid."""
    given = validation.checked({"name": name, "currency": currency, "time_zone": time_zone, **rest})
    return await tenants.add_account(given.pop("name"), given.pop("currency"), given.pop("time_zone"), given)


async def create_sub_account(
    tenants: Tenants,
    keys: Keys,
    account_id: UUID,
    user_id: str,
    name: str,
    kind: SubAccountKind = SubAccountKind.EMPLOYEE,
    rest: Changes = NOTHING,
) -> SubAccount:
    """A sub-account with a room, a host passcode and a guest passcode: all it takes to hold a conference.

    `rest` are further fields of it. Raises Invalid, NotFound (the account), Conflict (the user id is taken).
    """
    given = validation.checked({**_PLAIN, "user_id": user_id, "name": name, "kind": kind, **rest})
    try:
        return (await _create(tenants, keys, account_id, [given]))[0]
    except InvalidRows as error:
        [(_, field, reason)] = error.rows
        raise Conflict(f"{field} {reason}", field) from error


async def create_sub_accounts(
    tenants: Tenants, keys: Keys, account_id: UUID, wanted: Sequence[Changes]
) -> list[SubAccount]:
    """Many of them, each as `create_sub_account` makes one, or none. Raises InvalidRows, NotFound, Conflict."""
    if not 1 <= len(wanted) <= BULK_MOST:
        raise Invalid("items", f"1 to {BULK_MOST} at a time")
    bad: list[tuple[int, str, str]] = []
    rows: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    async for place, one in pacing.with_pauses(enumerate(wanted)):
        try:
            given = validation.checked({**_PLAIN, **one})
        except Invalid as error:
            bad.append((place, error.field, error.reason))
            continue
        rows.append(given)
        first = places.setdefault(given["user_id"], place)
        if first != place:
            bad.append((place, "user_id", f"{given['user_id']!r} stands in row {first + 1} already"))
    if bad:
        raise InvalidRows(bad)
    return await _create(tenants, keys, account_id, rows)


async def _create(tenants: Tenants, keys: Keys, account_id: UUID, rows: Sequence[Changes]) -> list[SubAccount]:
    async def store(seen: CodeSpace, codes: Sequence[NewCode]) -> list[SubAccount]:
        each = len(issue_codes.FIRST)
        new = [NewSubAccount(row, codes[each * place : each * (place + 1)]) for place, row in enumerate(rows)]
        return await tenants.add_sub_accounts(account_id, seen, new)

    wanted = issue_codes.FIRST * len(rows)
    return await issue_codes.stored(keys, wanted, lambda: tenants.code_space(account_id), store)


async def add_room(tenants: Tenants, keys: Keys, sub_account_id: UUID, given: Changes) -> Room:
    """A further room of a sub-account, with a host and a guest passcode. Raises Invalid, NotFound, Conflict."""
    given = validation.checked(given)
    account_id = (await tenants.sub_account(sub_account_id)).account_id
    return await issue_codes.stored(
        keys,
        issue_codes.FIRST,
        lambda: tenants.code_space(account_id),
        lambda seen, codes: tenants.add_room(sub_account_id, given, seen, codes),
    )


async def add_access_number(
    tenants: Tenants, number: str, kind: NumberKind = NumberKind.LOCAL, rest: Changes = NOTHING
) -> AccessNumber:
    """A number that callers dial, shared by all accounts or dedicated to one. Raises Invalid, Conflict, NotFound."""
    given = validation.checked({"number": number, **rest})
    return await tenants.add_access_number(given.pop("number"), kind, given)


async def add_project_code(
    tenants: Tenants, account_id: UUID, sub_account_id: UUID | None, code: str, name: str
) -> ProjectCode:
    """A billing reference of an account, or of one of its sub-accounts alone. Raises Invalid, NotFound, Conflict."""
    given = validation.checked({"code": code, "name": name})
    return await tenants.add_project_code(account_id, sub_account_id, given["code"], given["name"])


async def add_known_caller(
    tenants: Tenants,
    sub_account_id: UUID,
    number: str,
    name: str,
    room_id: UUID | None = None,
    skips_code: bool = False,
) -> KnownCaller:
    """A caller whom a sub-account knows by number and name. Raises Invalid, NotFound, Conflict."""
    given = validation.checked({"number": number, "name": name})
    return await tenants.add_known_caller(sub_account_id, given["number"], given["name"], room_id, skips_code)
