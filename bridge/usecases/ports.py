"""What the use cases need of the world. Adapters satisfy these; tests pass small fakes."""

from collections.abc import AsyncIterator, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain import statement
from bridge.domain.admission import Entry
from bridge.domain.carrier import OwnCall
from bridge.domain.errors import Conflict
from bridge.domain.minutes import Change, OpenCall, OpenStay, Stay
from bridge.domain.passcode import Role
from bridge.domain.period import Period
from bridge.domain.rating import TariffVersion
from bridge.domain.switch_life import Pulse
from bridge.domain.tenancy import AccessNumber, Account, Kind, NumberKind, Passcode, SubAccount
from bridge.domain.verification import Difference, Kept


# --- Admission ----------------------------------------------------------------------------------------------------
class Directory(Protocol):
    """Live passcodes and access numbers, answered from this machine in microseconds."""

    def find(self, digits: str) -> Entry | None:
        """The live passcode that `digits` are, whole. Any other digits find nothing."""

    async def confirm(self, digits: str) -> Entry | None:
        """One look-up in Postgres, while the directory may lag behind it; None at once when it does not."""

    def longest(self) -> int:
        """The length of the longest live code, 0 when there is none."""

    def serves(self, number: str) -> bool:
        """Whether an access number (digits only) is one of ours."""


# --- Minutes ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal: a file, told by its content rather than its name, and the bytes of it read so far."""

    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of the journal, without their newlines, and the position after them. `again`: from here on, what was read
    before may be read again."""

    lines: Sequence[bytes]
    position: Position
    again: bool = False


class Journal(Protocol):
    """The switch's own event log."""

    def read(self, position: Position | None) -> AsyncIterator[Batch]:
        """Batches after a position, as they are written. Never ends."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """All that is needed to go on folding a node's journal. `position` is None for a node never seen before."""

    position: Position | None
    pulse: Pulse
    calls: Sequence[OpenCall]
    stays: Sequence[OpenStay]
    ended: Sequence[str] = ()
    """Channels of the pulse's boot that have ended, the latest last."""


class Ledger(Protocol):
    """Where calls, stays and charges are kept."""

    async def resume(self, node: str) -> Resumption:
        """What was committed last. Raises Unavailable."""

    async def commit(
        self, node: str, before: Position | None, after: Position, pulse: Pulse, changes: Sequence[Change]
    ) -> None:
        """Rows, charges and the new position, in one transaction, or none of it.

        A commit that was carried out already (the ledger stands at `after`) is a no-op, so that one whose answer got
        lost can be repeated. Raises Conflict when the ledger stands neither at `before` nor at `after`: another
        daemon reads the same journal. Raises Unavailable.
        """


class Switch(Protocol):
    """The switch, asked who is in its rooms, and told what to write into its own journal."""

    async def participants(self) -> Set[str]:
        """The uniqueids of all participants in rooms. Raises Unavailable."""

    async def existing(self, channels: Set[str]) -> Set[str]:
        """Those of these channels that there are still. Raises Unavailable."""

    async def journal(self, word: str, about: str) -> None:
        """Write a word into the journal; what is not written is no error. Raises Unavailable."""


# --- Provisioning -------------------------------------------------------------------------------------------------
class Tenants(Protocol):
    """Accounts and what belongs to them. Every method raises Unavailable when Postgres is away.

    Lists come in order of creation, `limit` at most, after the item with the id `after`.
    """

    async def add_account(self, name: str, currency: str, time_zone: str) -> Account: ...
    async def account(self, account_id: UUID) -> Account: ...
    async def accounts(self, limit: int, after: UUID | None = None) -> list[Account]: ...

    async def add_sub_account(
        self, account_id: UUID, user_id: str, name: str, kind: Kind, codes: Sequence["NewCode"]
    ) -> SubAccount: ...
    async def sub_account(self, sub_account_id: UUID) -> SubAccount: ...
    async def sub_accounts(self, account_id: UUID, limit: int, after: UUID | None = None) -> list[SubAccount]: ...

    async def code_space(self) -> "CodeSpace": ...
    async def add_passcode(self, room_id: UUID, code: "NewCode") -> Passcode: ...
    async def passcode(self, passcode_id: UUID) -> Passcode: ...
    async def passcodes(self, room_id: UUID, limit: int, after: UUID | None = None) -> list[Passcode]: ...
    async def sealed(self, passcode_id: UUID) -> bytes: ...
    async def revoke_passcode(self, passcode_id: UUID) -> Passcode: ...

    async def add_access_number(self, number: str, kind: NumberKind) -> AccessNumber: ...
    async def access_numbers(self, limit: int, after: UUID | None = None) -> list[AccessNumber]: ...

    async def add_tariff_version(self, version: TariffVersion) -> TariffVersion: ...
    async def tariff_versions(self, account_id: UUID) -> list[TariffVersion]: ...


class CodeTaken(Conflict):
    """A passcode, or a beginning of it, is live already. Never told to whoever chose it."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """A passcode on its way into storage: what it is found by, and what it can be shown from.

    `prefixes` are the digests of the code's own beginnings, at every length, itself included: none may be live.
    """

    role: Role
    digest: bytes
    length: int
    sealed: bytes
    prefixes: tuple[bytes, ...]
    digits: str


@dataclass(frozen=True, slots=True)
class CodeSpace:
    """The live codes that can be dialled on the shared numbers: how many, and the lengths they have."""

    live: int
    lengths: frozenset[int]


# --- Reading ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class StayFilter:
    """What minutes are asked for. None asks for all; `joined_from` and `joined_until` bound [from, until)."""

    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    room_id: UUID | None = None
    conference_id: UUID | None = None
    caller: str | None = None
    joined_from: datetime | None = None
    joined_until: datetime | None = None
    open: bool | None = None


class Minutes(Protocol):
    """Reading the ledger."""

    async def stays(self, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None = None) -> list[Stay]:
        """Open and closed stays in order of (joined_at, id), after a given pair."""

    async def billed(self, account_id: UUID, period: Period) -> "BilledPeriod":
        """All that a statement is made of, as of one instant."""


@dataclass(frozen=True, slots=True)
class BilledPeriod:
    """The rated stays that began in a period, and how many are not rated or not over."""

    stays: Sequence[statement.BilledStay]
    unrated: int
    open: int


class Calls(Protocol):
    """Reading the calls of the ledger."""

    async def started(
        self, since: datetime, until: datetime, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[OwnCall]:
        """Calls that arrived in [since, until), open and over, in order of (arrival, id), after a given pair.

        Raises Unavailable.
        """


# --- Auditing -----------------------------------------------------------------------------------------------------
class History(Protocol):
    """The journal, as far back as it is still there."""

    def lines(self, since_us: int | None, until: Position) -> Iterator[bytes]:
        """Its lines up to a place, from one before `since_us` (µs since 1970) on, or from the oldest.

        Raises BridgeError when the file of that place is not there, or one cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a node's ledger stands at one instant: the place its journal is committed up to, and all that is open."""

    position: Position | None
    open: Sequence[Kept]


class Books(Protocol):
    """The ledger of a node, to be audited and mended. Raises Unavailable."""

    async def opening(self, node: str) -> Opening: ...

    async def records(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[Kept]:
        """Minute records that count and joined in [since, until), in order of (joining, id), after a given pair."""

    async def calls(
        self, node: str, since_us: int, until_us: int, limit: int, after: tuple[int, UUID] | None
    ) -> Sequence[Kept]:
        """The same of calls that are over."""

    async def mend(self, node: str, found: Sequence[Difference]) -> None:
        """Mend differences that have no `unmendable`, by new rows and never by changing one, in one transaction."""


# --- The live view ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LiveParticipant:
    """Someone in a room now, as AMI tells it."""

    uniqueid: str
    caller: str
    role: str
    joined_at: datetime
    muted: bool
    talking: bool


@dataclass(frozen=True, slots=True)
class LiveConference:
    """A room with people in it."""

    room_id: str
    started_at: datetime
    participants: tuple[LiveParticipant, ...]


class Rooms(Protocol):
    """Who is in which room now."""

    def live(self) -> Sequence[LiveConference]:
        """Conferences that are going on, in order of their start. Empty while the switch cannot be asked."""
