"""Accounts, sub-accounts, rooms, passcodes, access numbers, known callers and project codes, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.passcode import Role

_TIME_ZONES = available_timezones() - {"localtime", "Factory", "posixrules"}
"""Time zones by their IANA names. Zones with leap seconds (`right/…`) are not among them."""


class SubAccountKind(StrEnum):
    """The kind of thing that a sub-account stands for."""

    EMPLOYEE = "employee"
    DEPARTMENT = "department"
    PROJECT = "project"
    CLIENT = "client"


class State(StrEnum):
    """The state of an account or a sub-account. Only an active one admits callers; a closed one stays closed."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Space(StrEnum):
    """The numbers on which an account's passcodes can be dialled.

    SHARED: on shared numbers and on its own. OWN: only on numbers that are dedicated to it, where its codes are a set
    by themselves and may be shorter.
    """

    SHARED = "shared"
    OWN = "own"


class NumberKind(StrEnum):
    """The kind of an access number, on which its price depends."""

    LOCAL = "local"
    TOLL_FREE = "toll_free"
    NATIONAL = "national"
    INTERNATIONAL = "international"
    SIP = "sip"


class Language(StrEnum):
    """The languages that Asterisk's own sounds speak."""

    EN = "en"
    ES = "es"
    FR = "fr"
    IT = "it"
    JA = "ja"
    RU = "ru"
    SV = "sv"


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the party that pays. `currency` is ISO 4217; `time_zone` is an IANA name and bounds billing months.

    `max_callers` is the most callers in all its rooms at a time. The limits after it are the account's quotas, as
    `quotas` counts them. None is no limit. `version` counts changes.
    """

    id: UUID
    name: str
    currency: str
    time_zone: str
    state: State
    created_at: datetime
    code_space: Space = Space.SHARED
    max_callers: int | None = None
    max_sub_accounts: int | None = quotas.SUB_ACCOUNTS
    max_rooms: int | None = quotas.ROOMS
    max_passcodes: int | None = quotas.PASSCODES
    max_known_callers: int | None = quotas.KNOWN_CALLERS
    max_webhooks: int | None = quotas.WEBHOOKS
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True)
class PasscodeTerms:
    """The terms of a passcode that its owner may set.

    It admits from `valid_from` up to `valid_until`, `max_uses` times. None is no limit.
    """

    label: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    max_uses: int | None = None


ANY_TIME: Final = PasscodeTerms()


@dataclass(frozen=True, slots=True)
class Passcode:
    """Digits that open a room in a role. `digits` and `pin` only where they may be revealed, else None.

    It admits from `valid_from` up to `valid_until`, `max_uses` times; None is no limit. With `has_pin` its caller has
    to key the PIN as well. `replaces` is the passcode that it was rotated from.
    """

    id: UUID
    room_id: UUID
    role: Role
    state: str
    created_at: datetime
    digits: str | None = None
    label: str = ""
    chosen: bool = False
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    max_uses: int | None = None
    uses: int = 0
    has_pin: bool = False
    pin: str | None = None
    replaces: UUID | None = None
    revoked_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class ShortPasscode:
    """A live passcode of a length that holds more codes than it may, with the names of its owners.

    `replaced` is True if a live passcode has come in its place already.
    """

    id: UUID
    account: str
    user_id: str
    role: Role
    label: str
    length: int
    valid_until: datetime | None
    replaced: bool


@dataclass(frozen=True, slots=True)
class Room:
    """The standing conference room of a sub-account. Its id is also the name of the ConfBridge."""

    id: UUID
    sub_account_id: UUID
    name: str
    created_at: datetime
    passcodes: tuple[Passcode, ...] = ()
    state: str = "active"
    max_participants: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class SubAccount:
    """A sub-account: the employee, department, project or client that uses rooms.

    `user_id` is the account's own name for it, unique within the account.
    """

    id: UUID
    account_id: UUID
    user_id: str
    name: str
    kind: SubAccountKind
    state: State
    created_at: datetime
    rooms: tuple[Room, ...] = ()
    cost_centre: str = ""
    max_callers: int | None = None
    trust_callers: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True)
class AccessNumber:
    """A DID that callers dial: digits only, no plus sign. `account_id` is None for one that all accounts share.

    It is dialled over the trunks `trunk_ids` alone; without any, over all of them. `language` is one of Asterisk's
    sound sets; `greeting` the name of a sound there, empty for the usual one.
    """

    id: UUID
    number: str
    kind: NumberKind
    created_at: datetime
    account_id: UUID | None = None
    language: str = "en"
    greeting: str = ""
    trunk_ids: tuple[UUID, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """A caller number that a sub-account knows by name. With `skips_code`, and where the sub-account trusts callers, it
    enters the room as host without a code: caller numbers can be forged."""

    id: UUID
    account_id: UUID
    sub_account_id: UUID
    room_id: UUID
    number: str
    name: str
    skips_code: bool
    created_at: datetime
    removed_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class ProjectCode:
    """A billing reference of an account, or of one of its sub-accounts alone: digits that can be keyed, and a name."""

    id: UUID
    account_id: UUID
    sub_account_id: UUID | None
    code: str
    name: str
    state: str
    created_at: datetime
    version: int = 1


def time_zone(name: str) -> str:
    """An IANA time zone name. Raises Invalid when there is none of that name."""
    if name not in _TIME_ZONES:
        raise Invalid("time_zone", f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name
