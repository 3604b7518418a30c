"""Accounts, sub-accounts, rooms and access numbers: who pays, who uses, and what is dialled."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import available_timezones

from bridge.domain.errors import Invalid
from bridge.domain.passcode import Role

_TIME_ZONES = available_timezones() - {"localtime", "Factory", "posixrules"}
"""Known by name wherever the daemon runs. Zones with leap seconds (`right/…`) are not among them."""


class Kind(StrEnum):
    """What a sub-account stands for."""

    EMPLOYEE = "employee"
    DEPARTMENT = "department"
    PROJECT = "project"
    CLIENT = "client"


class NumberKind(StrEnum):
    """How an access number is reached, which decides what it costs."""

    LOCAL = "local"
    TOLL_FREE = "toll_free"
    NATIONAL = "national"
    INTERNATIONAL = "international"
    SIP = "sip"


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays. `currency` is ISO 4217, `time_zone` an IANA name: it bounds the billing months."""

    id: UUID
    name: str
    currency: str
    time_zone: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Passcode:
    """Digits that open a room in a role. `digits` only where they may be revealed, else None."""

    id: UUID
    room_id: UUID
    role: Role
    state: str
    created_at: datetime
    digits: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """The standing conference room of a sub-account. Its id is also the name of the ConfBridge."""

    id: UUID
    sub_account_id: UUID
    name: str
    passcodes: tuple[Passcode, ...] = ()


@dataclass(frozen=True, slots=True)
class SubAccount:
    """Who uses. `user_id` is the account's own name for it, unique within the account."""

    id: UUID
    account_id: UUID
    user_id: str
    name: str
    kind: Kind
    state: str
    created_at: datetime
    rooms: tuple[Room, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessNumber:
    """A DID that callers dial: digits only, no plus sign."""

    id: UUID
    number: str
    kind: NumberKind
    created_at: datetime


def time_zone(name: str) -> str:
    """An IANA time zone name. Raises Invalid when there is none of that name."""
    if name not in _TIME_ZONES:
        raise Invalid("time_zone", f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name
