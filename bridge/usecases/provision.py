"""Provisioning: accounts, sub-accounts with a working room, passcodes, access numbers, tariffs."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

from bridge.domain import money, passcode, phone, rating, tenancy, wording
from bridge.domain.errors import Conflict, Invalid
from bridge.domain.passcode import Role
from bridge.domain.rating import TariffVersion
from bridge.domain.tenancy import AccessNumber, Account, Kind, NumberKind, Passcode, SubAccount
from bridge.usecases.ports import CodeSpace, CodeTaken, NewCode, Tenants

USER_ID_MAX: Final = 64
GENERATION_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Keys:
    """What passcodes are looked up and sealed under. `seal` and `unseal` are authenticated encryption.

    `older` are look-up keys that codes may still be kept under until all are renewed; `id` names the present one.
    """

    lookup: bytes
    seal: Callable[[str], bytes]
    unseal: Callable[[bytes], str]
    older: tuple[bytes, ...] = ()
    id: str = ""

    @property
    def lookups(self) -> tuple[bytes, ...]:
        """All keys that a live code may be kept under, the present one first."""
        return (self.lookup, *self.older)


async def create_account(tenants: Tenants, name: str, currency: str, time_zone: str) -> Account:
    """A new account. Raises Invalid."""
    return await tenants.add_account(wording.line("name", name), money.currency(currency), tenancy.time_zone(time_zone))


async def create_sub_account(
    tenants: Tenants, keys: Keys, account_id: UUID, user_id: str, name: str, kind: Kind = Kind.EMPLOYEE
) -> SubAccount:
    """A sub-account with a room, a host passcode and a guest passcode: all it takes to hold a conference.

    Raises Invalid, NotFound (the account), Conflict (the user id is taken).
    """
    user_id = wording.line("user_id", user_id, USER_ID_MAX)
    name = wording.line("name", name)
    for _ in range(GENERATION_TRIES):
        space = await tenants.code_space()
        host = _generate(keys, space, Role.HOST)
        guest = _generate(keys, CodeSpace(space.live + 1, space.lengths | {host.length}), Role.GUEST)
        if host.digest in guest.prefixes:
            continue
        try:
            return await tenants.add_sub_account(account_id, user_id, name, kind, (host, guest))
        except CodeTaken:
            continue
    raise Conflict("no free passcode was found in many tries; the next attempt may succeed")


async def add_passcode(tenants: Tenants, keys: Keys, room_id: UUID, role: Role, digits: str | None = None) -> Passcode:
    """A further passcode of a room: generated, or chosen by its owner. Raises Invalid, NotFound, Conflict."""
    for _ in range(GENERATION_TRIES):
        space = await tenants.code_space()
        if digits is None:
            code = _generate(keys, space, role)
        else:
            longest = max(space.lengths, default=0)
            code = _code(keys, role, passcode.chosen(digits, space.live, longest))
        try:
            return await tenants.add_passcode(room_id, code)
        except CodeTaken:
            if digits is not None:
                raise Invalid("digits", "this passcode cannot be used; choose another") from None
    raise Conflict("no free passcode was found in many tries; the next attempt may succeed")


async def reveal(tenants: Tenants, keys: Keys, passcode_id: UUID) -> str:
    """The digits of a passcode, for its owner. Raises NotFound."""
    return keys.unseal(await tenants.sealed(passcode_id))


async def add_access_number(tenants: Tenants, number: str, kind: NumberKind = NumberKind.LOCAL) -> AccessNumber:
    """A number that callers dial, shared by all accounts. Raises Invalid, Conflict."""
    return await tenants.add_access_number(phone.number(number), kind)


async def add_tariff(
    tenants: Tenants,
    account_id: UUID,
    effective_from: datetime,
    per_minute: Decimal,
    connect_fee: Decimal = Decimal(0),
    first_increment_s: int = 60,
    next_increment_s: int = 60,
    decimals: int | None = None,
    *,
    bill_estimated: bool = False,
) -> TariffVersion:
    """Prices of an account from an instant on; `decimals` defaults to the currency's. Stays that wait for a price are
    rated at once. Raises Invalid, NotFound, Conflict (a version begins at that instant already, or charges made
    under an earlier version would change)."""
    account = await tenants.account(account_id)
    if effective_from.tzinfo is None:
        raise Invalid("effective_from", "give the time zone, such as 2026-11-01T00:00:00Z")
    version = TariffVersion(
        uuid4(),
        account_id,
        effective_from,
        per_minute,
        connect_fee,
        first_increment_s,
        next_increment_s,
        money.minor_decimals(account.currency) if decimals is None else decimals,
        bill_estimated,
    )
    return await tenants.add_tariff_version(rating.checked(version, account.currency))


def _generate(keys: Keys, space: CodeSpace, role: Role) -> NewCode:
    length = passcode.new_length(space.live, max(space.lengths, default=0))
    return _code(keys, role, passcode.generated(length, secrets.randbelow))


def _code(keys: Keys, role: Role, digits: str) -> NewCode:
    return NewCode(
        role,
        passcode.digest(digits, keys.lookup),
        len(digits),
        keys.seal(digits),
        # At every length, not just those in use: which these are may change before the code is stored.
        tuple(passcode.digest(digits[:length], keys.lookup) for length in range(1, len(digits) + 1)),
        digits,
    )
