"""Ports of provisioning: the repositories of accounts and of everything that belongs to them.

Every method raises Unavailable when Postgres is away, and NotFound for what is not there. Lists come in order of
creation, `limit` at most, after a place. `expected` is the version that a change was made for, None for any: a method
raises Stale when the version is another by now.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from bridge.domain.errors import Conflict
from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.changes import (
    AccessNumberChanges,
    AccessNumberFields,
    AccountChanges,
    AccountFields,
    KnownCallerChanges,
    PasscodeChanges,
    ProjectCodeChanges,
    RoomChanges,
    RoomFields,
    SubAccountChanges,
    SubAccountFields,
    TrunkChanges,
    TrunkFields,
)
from bridge.domain.provisioning.code_lengths import CodeLengths, LiveCodes
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import (
    ANY_TIME,
    AccessNumber,
    Account,
    KnownCaller,
    Passcode,
    PasscodeTerms,
    ProjectCode,
    Room,
    ShortPasscode,
    SubAccount,
)
from bridge.domain.provisioning.trunk import Trunk

Place = tuple[datetime, UUID]
"""Where a list was left: `created_at` and `id` of the last item seen."""


# --- The keys of passcodes ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Keys:
    """The keys under which passcodes are looked up and sealed. `seal` and `unseal` are authenticated encryption.

    `older` are look-up keys that codes may still be kept under until all are renewed.
    """

    lookup: bytes
    seal: Callable[[str], bytes]
    unseal: Callable[[bytes], str]
    older: tuple[bytes, ...] = ()

    @property
    def lookups(self) -> tuple[bytes, ...]:
        """All keys that a live code may be kept under, the present one first."""
        return (self.lookup, *self.older)

    @property
    def id(self) -> str:
        """The name of the present look-up key, which stands beside each code that is kept under it."""
        return self.ids[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all look-up keys, the present one first."""
        return tuple(hashlib.sha256(key).hexdigest()[:16] for key in self.lookups)

    @property
    def checks(self) -> tuple[bytes, ...]:
        """The check values of all look-up keys, the present one first: 32 bytes each.

        A check value tells one key from another. It is of no use for guessing a key or a code.
        """
        return tuple(hmac.digest(key, b"bridge passcode key check", hashlib.sha256) for key in self.lookups)


# --- Codes on their way -------------------------------------------------------------------------------------------
class CodeTaken(Conflict):
    """Some of the codes, or beginnings of them, are live already, or the set has changed: nothing was stored.

    `taken` are their places among those that were to be stored. Never told to whoever chose them.
    """

    def __init__(self, taken: frozenset[int] = frozenset()) -> None:
        super().__init__("a passcode, or a beginning of it, is in use")
        self.taken = taken


@dataclass(frozen=True, slots=True)
class NewPin:
    """A PIN on its way into storage."""

    digits: str
    digest: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class NewCode:
    """A passcode on its way into storage: what it is found by, and what it can be shown from.

    `prefixes` are the digests of the code's own beginnings, itself included, at every length in use and under every
    key of the ring: none may be live. A `weak` one is looked up as all are, and refused as if it were taken.
    `chosen` is True for digits that the owner chose or that were imported.
    """

    role: Role
    digest: bytes
    length: int
    sealed: bytes
    prefixes: tuple[bytes, ...]
    digits: str
    key_id: str = ""
    id: UUID = field(default_factory=uuid4)
    terms: PasscodeTerms = ANY_TIME
    pin: NewPin | None = None
    chosen: bool = False
    weak: bool = False
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class CodeSpace:
    """Codes that are prefix-free among themselves: how many are live by length, and which lengths new ones get.

    `account_id` is that of the account whose own space it is, None for the codes of shared numbers.
    """

    live: LiveCodes
    account_id: UUID | None = None
    lengths: CodeLengths = code_lengths.DEFAULT

    @property
    def salt(self) -> bytes:
        """The bytes that digests of its codes are made with, beside the key."""
        return b"" if self.account_id is None else self.account_id.bytes


@dataclass(frozen=True, slots=True)
class CodeSite:
    """Where a passcode is to be put. `known` are texts whose digits are no secret to callers."""

    account_id: UUID
    sub_account_id: UUID
    room_id: UUID
    space: CodeSpace
    known: tuple[str, ...] = ()


Beginnings = Callable[[Sequence[bytes]], Awaitable[frozenset[int]]]
"""Given sealed codes of the space, the places of the new codes that one of them begins with."""


@dataclass(frozen=True, slots=True)
class NewSubAccount:
    """A sub-account on its way into storage, and the codes of its first room."""

    fields: SubAccountFields
    codes: Sequence[NewCode]
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class SubAccountFilter:
    """Conditions on sub-accounts. None is no condition; `label` is a key with its value."""

    user_id: str | None = None
    kind: str | None = None
    state: str | None = None
    label: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PasscodeFilter:
    """Conditions on passcodes. None is no condition."""

    state: str | None = None
    role: str | None = None


# --- Where they are kept ------------------------------------------------------------------------------------------
class Accounts(Protocol):
    async def add_account(self, fields: AccountFields) -> Account: ...
    async def account(self, account_id: UUID) -> Account: ...
    async def accounts(self, limit: int, after: Place | None = None) -> list[Account]: ...
    async def change_account(self, account_id: UUID, changes: AccountChanges, expected: int | None = None) -> Account:
        """Closing revokes all codes. Raises Conflict: it is closed, or the currency or time zone is settled."""

    async def remove_account(self, account_id: UUID, expected: int | None = None) -> None:
        """Raises Conflict that names what is in it."""


class SubAccounts(Protocol):
    async def add_sub_accounts(
        self, account_id: UUID, seen: CodeSpace, new: Sequence[NewSubAccount]
    ) -> list[SubAccount]:
        """Each with a room of its own name and the codes of it, all or nothing. Raises Conflict (the account is
        closed), InvalidRows (user IDs that are taken), CodeTaken (places among all codes, in order)."""

    async def sub_account(self, sub_account_id: UUID) -> SubAccount: ...
    async def sub_accounts(
        self, account_id: UUID, limit: int, after: Place | None = None, wanted: SubAccountFilter = ...
    ) -> list[SubAccount]: ...
    async def change_sub_account(
        self, sub_account_id: UUID, changes: SubAccountChanges, expected: int | None = None
    ) -> SubAccount:
        """Closing revokes its codes. Raises Conflict: it is closed, or the user ID is taken."""

    async def remove_sub_account(self, sub_account_id: UUID, expected: int | None = None) -> None:
        """Raises Conflict that says what it was used for."""


class Rooms(Protocol):
    async def add_room(
        self, sub_account_id: UUID, fields: RoomFields, seen: CodeSpace, codes: Sequence[NewCode]
    ) -> Room: ...
    async def room(self, room_id: UUID) -> Room: ...
    async def rooms(self, sub_account_id: UUID, limit: int, after: Place | None = None) -> list[Room]: ...
    async def change_room(self, room_id: UUID, changes: RoomChanges, expected: int | None = None) -> Room:
        """Closing revokes its codes. Raises Conflict: it is closed."""


class Passcodes(Protocol):
    async def code_space(self, account_id: UUID | None = None) -> CodeSpace:
        """The codes that are dialled together with those of an account; None: those of shared numbers."""

    async def code_site(self, room_id: UUID, *, known: bool = False) -> CodeSite:
        """Raises Conflict when the room, or who owns it, is closed. Without `known` it tells none."""

    async def add_passcodes(
        self, site: CodeSite, codes: Sequence[NewCode], *, in_place: bool = False
    ) -> list[Passcode]:
        """All or nothing. Raises CodeTaken, Conflict (the account's quota is used up).

        `in_place` says that as many others are revoked in the same unit of work, so that no quota is in the way.
        """

    async def import_passcodes(
        self, site: CodeSite, codes: Sequence[NewCode], beginnings: Beginnings
    ) -> tuple[CodeSpace, list[Passcode]]:
        """Store codes of any length, all or nothing. Return the code space as it was before, and the passcodes.

        Raises CodeTaken, also for the places that `beginnings` finds among the longer live codes.
        """

    async def passcode(self, passcode_id: UUID) -> Passcode: ...
    async def passcodes(
        self, room_id: UUID, limit: int, after: Place | None = None, wanted: PasscodeFilter = ...
    ) -> list[Passcode]: ...
    async def sealed(self, passcode_id: UUID) -> tuple[bytes, bytes | None]:
        """The sealed digits and the sealed PIN of a passcode. Raises Conflict if it is revoked."""

    async def note_reveal(self, passcode_id: UUID) -> None:
        """Record in the audit log that somebody sees the digits."""

    async def count_try(self, account_id: UUID) -> "CodeTries":
        """Count that an account tries a chosen code now, even if the request fails."""

    async def note_refused(self, site: CodeSite, count: int) -> None:
        """Record that chosen codes were refused, even if the request fails."""

    async def change_passcode(
        self, passcode_id: UUID, changes: PasscodeChanges, expected: int | None = None
    ) -> Passcode:
        """Raises Conflict when it is revoked."""

    async def revoke_passcode(self, passcode_id: UUID, expected: int | None = None) -> Passcode:
        """The passcode, revoked now or before."""

    async def stale_codes(self, key_id: str, limit: int) -> list["StaleCode"]:
        """Live passcodes that are kept under another key than that of this id."""

    async def renew_codes(self, key_id: str, renewed: Sequence["RenewedCode"]) -> int:
        """Keep those under the key of this id that are as they were read; how many."""


@dataclass(frozen=True, slots=True)
class CodeTries:
    """The number of chosen codes that an account has tried today, and the seconds until the next day of UTC."""

    today: int
    next_day_s: int


@dataclass(frozen=True, slots=True)
class StaleCode:
    """A passcode that is kept under a former key. `account_id` is set where its space is that account's own."""

    id: UUID
    account_id: UUID | None
    digest: bytes
    sealed: bytes
    pin_sealed: bytes | None


@dataclass(frozen=True, slots=True)
class RenewedCode:
    """A passcode as it is kept under the present key. `former` is the digest that it had under the old one."""

    id: UUID
    account_id: UUID | None
    former: bytes
    digest: bytes
    sealed: bytes
    pin_digest: bytes | None
    pin_sealed: bytes | None


class ShortPasscodes(Passcodes, Protocol):
    async def code_spaces(self) -> list[CodeSpace]:
        """All code spaces with live codes, that of the shared numbers first."""

    async def short_passcodes(
        self, space: CodeSpace, lengths: Collection[int], account_id: UUID | None, limit: int, after: UUID | None = None
    ) -> list[ShortPasscode]:
        """Live passcodes of these lengths, of one account or (None) of all, in the order of their ids."""


class AccessNumbers(Protocol):
    async def add_access_number(self, fields: AccessNumberFields) -> AccessNumber:
        """Raises Conflict when it is there already, NotFound for an account or a trunk that is not there."""

    async def access_number(self, access_number_id: UUID) -> AccessNumber: ...
    async def access_numbers(
        self, limit: int, after: Place | None = None, reachable_by: UUID | None = None
    ) -> list[AccessNumber]:
        """All, or those on which codes of one account can be dialled."""

    async def change_access_number(
        self, access_number_id: UUID, changes: AccessNumberChanges, expected: int | None = None
    ) -> AccessNumber: ...
    async def remove_access_number(self, access_number_id: UUID, expected: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class SealedTrunk:
    """A trunk with its sealed password, None where it has none."""

    trunk: Trunk
    password: bytes | None


class Trunks(Protocol):
    """Methods that store a trunk raise Invalid (its fields don't go together) and Conflict (its name is taken, or
    another trunk has one of its addresses)."""

    async def add_trunk(self, fields: TrunkFields, password_sealed: bytes | None) -> Trunk: ...
    async def trunk(self, trunk_id: UUID) -> Trunk: ...
    async def trunks(self, limit: int, after: Place | None = None) -> list[Trunk]: ...
    async def change_trunk(
        self, trunk_id: UUID, wanted: TrunkChanges, password_sealed: bytes | None, expected: int | None = None
    ) -> Trunk:
        """The password changes only if `wanted` has one; `password_sealed` is then that one, None for none."""

    async def remove_trunk(self, trunk_id: UUID, expected: int | None = None) -> None:
        """Raises Conflict that names the access numbers that come by it."""

    async def sealed_trunks(self) -> list[SealedTrunk]:
        """All trunks, in order of creation."""


class ProjectCodes(Protocol):
    async def add_project_code(
        self, account_id: UUID, sub_account_id: UUID | None, code: str, name: str
    ) -> ProjectCode:
        """Raises Conflict when it is there already."""

    async def project_code(self, project_code_id: UUID) -> ProjectCode: ...
    async def project_codes(
        self,
        limit: int,
        after: Place | None = None,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        usable_by: UUID | None = None,
    ) -> list[ProjectCode]:
        """All, those of an account, those of a sub-account alone, or those of an account that one may use."""

    async def change_project_code(
        self, project_code_id: UUID, changes: ProjectCodeChanges, expected: int | None = None
    ) -> ProjectCode: ...


class KnownCallers(Protocol):
    async def add_known_caller(
        self,
        sub_account_id: UUID,
        number: str,
        name: str,
        room_id: UUID | None,
        skips_code: bool,
        forms: Collection[str] = (),
    ) -> KnownCaller:
        """In the first room by default; `forms` are all in which the number may be stored already.

        Raises Conflict (the number is known), Invalid (no room of the sub-account).
        """

    async def known_caller(self, known_caller_id: UUID) -> KnownCaller: ...
    async def known_callers(
        self, sub_account_id: UUID, limit: int, after: Place | None = None
    ) -> list[KnownCaller]: ...
    async def change_known_caller(
        self, known_caller_id: UUID, changes: KnownCallerChanges, expected: int | None = None
    ) -> KnownCaller:
        """A new name counts from now on: what was recorded under the former one keeps it."""

    async def remove_known_caller(self, known_caller_id: UUID, expected: int | None = None) -> None: ...


class Tenants(Accounts, SubAccounts, Rooms, Passcodes, AccessNumbers, Trunks, ProjectCodes, KnownCallers, Protocol):
    """All repositories of provisioning together."""
