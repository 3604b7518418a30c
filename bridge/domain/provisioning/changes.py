"""New accounts, rooms and the like before they exist, and changes of those that exist.

A field of a change that is UNSET stays as it is. None is a value: it takes a limit away, for example.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.tenants import Language, NumberKind, Space, State, SubAccountKind
from bridge.domain.provisioning.trunk import Codec, Dtmf, NumberForm, NumberSource, SessionTimers, Transport


class Unset(Enum):
    """The type of UNSET, so that mypy tells a field that is left out from None."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


# --- What is to be made -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class AccountFields:
    """The fields of a new account, as `Account` describes them."""

    name: str
    currency: str
    time_zone: str
    code_space: Space = Space.SHARED
    max_callers: int | None = None
    max_sub_accounts: int | None = quotas.SUB_ACCOUNTS
    max_rooms: int | None = quotas.ROOMS
    max_passcodes: int | None = quotas.PASSCODES
    max_known_callers: int | None = quotas.KNOWN_CALLERS
    max_webhooks: int | None = quotas.WEBHOOKS
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubAccountFields:
    """The fields of a new sub-account, as `SubAccount` describes them."""

    user_id: str
    name: str
    kind: SubAccountKind = SubAccountKind.EMPLOYEE
    cost_centre: str = ""
    max_callers: int | None = None
    trust_callers: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoomFields:
    """The fields of a new room, as `Room` describes them."""

    name: str
    max_participants: int | None = None


@dataclass(frozen=True, slots=True)
class AccessNumberFields:
    """The fields of a new access number, as `AccessNumber` describes them."""

    number: str
    kind: NumberKind = NumberKind.LOCAL
    language: Language = Language.EN
    greeting: str = ""
    account_id: UUID | None = None
    trunk_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class TrunkFields:
    """The fields of a new trunk, as `Trunk` describes them. `password` is empty where none is needed."""

    name: str
    addresses: tuple[str, ...] = ()
    registrar: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    transport: Transport = Transport.UDP
    srtp: bool = False
    codecs: tuple[Codec, ...] = (Codec.ULAW, Codec.ALAW)
    dtmf: Dtmf = Dtmf.AUTO
    number_form: NumberForm = NumberForm.E164
    prefix: str = ""
    country: str = ""
    number_source: NumberSource = NumberSource.REQUEST_URI
    trust_identity: bool = False
    record_private: bool = False
    media_networks: tuple[str, ...] = ()
    rtp_symmetric: bool = True
    session_timers: SessionTimers = SessionTimers.ON
    reliable_provisional: bool = False
    public_address: str = ""
    max_calls: int | None = None
    max_dialogues: int | None = None


# --- What is to be changed ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class AccountChanges:
    """A change of an account."""

    name: str | Unset = UNSET
    state: State | Unset = UNSET
    currency: str | Unset = UNSET
    time_zone: str | Unset = UNSET
    max_callers: int | Unset | None = UNSET
    max_sub_accounts: int | Unset | None = UNSET
    max_rooms: int | Unset | None = UNSET
    max_passcodes: int | Unset | None = UNSET
    max_known_callers: int | Unset | None = UNSET
    max_webhooks: int | Unset | None = UNSET
    labels: Mapping[str, str] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class SubAccountChanges:
    """A change of a sub-account."""

    user_id: str | Unset = UNSET
    name: str | Unset = UNSET
    kind: SubAccountKind | Unset = UNSET
    state: State | Unset = UNSET
    cost_centre: str | Unset = UNSET
    max_callers: int | Unset | None = UNSET
    trust_callers: bool | Unset = UNSET
    labels: Mapping[str, str] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class RoomChanges:
    """A change of a room."""

    name: str | Unset = UNSET
    max_participants: int | Unset | None = UNSET
    state: State | Unset = UNSET


@dataclass(frozen=True, slots=True)
class PasscodeChanges:
    """A change of a passcode's terms."""

    label: str | Unset = UNSET
    valid_from: datetime | Unset | None = UNSET
    valid_until: datetime | Unset | None = UNSET
    max_uses: int | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class AccessNumberChanges:
    """A change of an access number."""

    kind: NumberKind | Unset = UNSET
    language: Language | Unset = UNSET
    greeting: str | Unset = UNSET
    account_id: UUID | Unset | None = UNSET
    trunk_ids: tuple[UUID, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class TrunkChanges:
    """A change of a trunk. An empty password deletes the one that is kept."""

    name: str | Unset = UNSET
    addresses: tuple[str, ...] | Unset = UNSET
    registrar: str | Unset = UNSET
    username: str | Unset = UNSET
    password: str | Unset = field(default=UNSET, repr=False)
    transport: Transport | Unset = UNSET
    srtp: bool | Unset = UNSET
    codecs: tuple[Codec, ...] | Unset = UNSET
    dtmf: Dtmf | Unset = UNSET
    number_form: NumberForm | Unset = UNSET
    prefix: str | Unset = UNSET
    country: str | Unset = UNSET
    number_source: NumberSource | Unset = UNSET
    trust_identity: bool | Unset = UNSET
    record_private: bool | Unset = UNSET
    media_networks: tuple[str, ...] | Unset = UNSET
    rtp_symmetric: bool | Unset = UNSET
    session_timers: SessionTimers | Unset = UNSET
    reliable_provisional: bool | Unset = UNSET
    public_address: str | Unset = UNSET
    max_calls: int | Unset | None = UNSET
    max_dialogues: int | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class ProjectCodeChanges:
    """A change of a project code; its state is `active` or `closed`."""

    name: str | Unset = UNSET
    state: str | Unset = UNSET


@dataclass(frozen=True, slots=True)
class KnownCallerChanges:
    """A change of a known caller."""

    name: str | Unset = UNSET
    room_id: UUID | Unset = UNSET
    skips_code: bool | Unset = UNSET


Fields = AccountFields | SubAccountFields | RoomFields | AccessNumberFields | TrunkFields
Changes = (
    AccountChanges
    | SubAccountChanges
    | RoomChanges
    | PasscodeChanges
    | AccessNumberChanges
    | TrunkChanges
    | ProjectCodeChanges
    | KnownCallerChanges
)


def given(value: Fields | Changes) -> dict[str, Any]:
    """The fields that are set, by name, in their order."""
    values = ((each.name, getattr(value, each.name)) for each in fields(value))
    return {name: one for name, one in values if one is not UNSET}
