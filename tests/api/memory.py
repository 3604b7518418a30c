"""The ports of REST in memory. The contract suite runs against these and against Postgres, so that they cannot lie."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from bridge.domain import rating
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.minutes import MinuteRecord, OpenStay, Stay, instant
from bridge.domain.period import Period
from bridge.domain.rating import TariffVersion
from bridge.domain.statement import BilledStay
from bridge.domain.tenancy import AccessNumber, Account, Kind, NumberKind, Passcode, Room, SubAccount
from bridge.usecases.ports import BilledPeriod, CodeSpace, CodeTaken, NewCode, StayFilter


class Kept(Protocol):
    @property
    def id(self) -> UUID: ...


Thing = TypeVar("Thing", bound=Kept)


class MemoryTenants:
    """Implements ports.Tenants."""

    def __init__(self) -> None:
        self._accounts: dict[UUID, Account] = {}
        self._sub_accounts: dict[UUID, SubAccount] = {}
        self._rooms: dict[UUID, Room] = {}
        self._passcodes: dict[UUID, Passcode] = {}
        self._codes: dict[UUID, NewCode] = {}
        self._numbers: dict[UUID, AccessNumber] = {}
        self._tariffs: list[TariffVersion] = []

    async def add_account(self, name: str, currency: str, time_zone: str) -> Account:
        made = Account(uuid4(), name, currency, time_zone, "active", datetime.now(UTC))
        return self._accounts.setdefault(made.id, made)

    async def account(self, account_id: UUID) -> Account:
        return _found(self._accounts, account_id)

    async def accounts(self, limit: int, after: UUID | None = None) -> list[Account]:
        return _page(self._accounts.values(), limit, after)

    async def add_sub_account(
        self, account_id: UUID, user_id: str, name: str, kind: Kind, codes: Sequence[NewCode]
    ) -> SubAccount:
        await self.account(account_id)
        if any((one.account_id, one.user_id) == (account_id, user_id) for one in self._sub_accounts.values()):
            raise Conflict(f"user_id {user_id!r} is taken in this account")
        made = SubAccount(uuid4(), account_id, user_id, name, kind, "active", datetime.now(UTC))
        room = Room(uuid4(), made.id, name)
        self._sub_accounts[made.id], self._rooms[room.id] = made, room
        return replace(made, rooms=(replace(room, passcodes=tuple([self._add(room.id, code) for code in codes])),))

    async def sub_account(self, sub_account_id: UUID) -> SubAccount:
        return self._with_rooms(_found(self._sub_accounts, sub_account_id))

    async def sub_accounts(self, account_id: UUID, limit: int, after: UUID | None = None) -> list[SubAccount]:
        await self.account(account_id)
        owned = [self._with_rooms(one) for one in self._sub_accounts.values() if one.account_id == account_id]
        return _page(owned, limit, after)

    async def code_space(self) -> CodeSpace:
        live = [self._codes[code.id] for code in self._passcodes.values() if code.state == "live"]
        return CodeSpace(len(live), frozenset(code.length for code in live))

    async def add_passcode(self, room_id: UUID, code: NewCode) -> Passcode:
        _found(self._rooms, room_id)
        return self._add(room_id, code)

    async def passcode(self, passcode_id: UUID) -> Passcode:
        return _found(self._passcodes, passcode_id)

    async def passcodes(self, room_id: UUID, limit: int, after: UUID | None = None) -> list[Passcode]:
        _found(self._rooms, room_id)
        return _page([code for code in self._passcodes.values() if code.room_id == room_id], limit, after)

    async def sealed(self, passcode_id: UUID) -> bytes:
        if (await self.passcode(passcode_id)).state != "live":
            raise NotFound(f"passcode {passcode_id} has been revoked")
        return self._codes[passcode_id].sealed

    async def revoke_passcode(self, passcode_id: UUID) -> Passcode:
        self._passcodes[passcode_id] = replace(await self.passcode(passcode_id), state="revoked")
        return self._passcodes[passcode_id]

    async def add_access_number(self, number: str, kind: NumberKind) -> AccessNumber:
        if any(one.number == number for one in self._numbers.values()):
            raise Conflict(f"access number {number} is there already")
        made = AccessNumber(uuid4(), number, kind, datetime.now(UTC))
        return self._numbers.setdefault(made.id, made)

    async def access_numbers(self, limit: int, after: UUID | None = None) -> list[AccessNumber]:
        return _page(self._numbers.values(), limit, after)

    async def add_tariff_version(self, version: TariffVersion) -> TariffVersion:
        owned = await self.tariff_versions(version.account_id)
        if any(one.effective_from == version.effective_from for one in owned):
            raise Conflict(f"a tariff version begins at {version.effective_from.isoformat()} already")
        self._tariffs.append(version)
        return version

    async def tariff_versions(self, account_id: UUID) -> list[TariffVersion]:
        await self.account(account_id)
        owned = [version for version in self._tariffs if version.account_id == account_id]
        return sorted(owned, key=lambda version: version.effective_from)

    def _add(self, room_id: UUID, code: NewCode) -> Passcode:
        live = {self._codes[one.id].digest for one in self._passcodes.values() if one.state == "live"}
        if live & set(code.prefixes):
            raise CodeTaken("taken")
        made = Passcode(uuid4(), room_id, code.role, "live", datetime.now(UTC))
        self._passcodes[made.id], self._codes[made.id] = made, code
        return replace(made, digits=code.digits)

    def _with_rooms(self, owner: SubAccount) -> SubAccount:
        live = [code for code in self._passcodes.values() if code.state == "live"]
        rooms = [room for room in self._rooms.values() if room.sub_account_id == owner.id]
        opened = [replace(room, passcodes=tuple(code for code in live if code.room_id == room.id)) for room in rooms]
        return replace(owner, rooms=tuple(opened))


class MemoryMinutes:
    """Implements ports.Minutes."""

    def __init__(self, tenants: MemoryTenants) -> None:
        self._tenants = tenants
        self._changes: list[OpenStay | MinuteRecord] = []

    async def keep(self, change: OpenStay | MinuteRecord) -> None:
        self._changes.append(change)

    async def stays(self, wanted: StayFilter, limit: int, after: tuple[datetime, UUID] | None = None) -> list[Stay]:
        everything = [await self._stay(change) for change in self._changes]
        found = [stay for stay in everything if _matches(stay, wanted)]
        ordered = sorted(found, key=lambda stay: (stay.joined_at, stay.id))
        return [stay for stay in ordered if after is None or (stay.joined_at, stay.id) > after][:limit]

    async def billed(self, account_id: UUID, period: Period) -> BilledPeriod:
        wanted = StayFilter(account_id, joined_from=period.start, joined_until=period.end)
        stays = await self.stays(wanted, len(self._changes))
        rated = [await self._billed(stay) for stay in stays if stay.amount is not None]
        still_open = sum(stay.left_at is None for stay in stays)
        return BilledPeriod(rated, len(stays) - len(rated) - still_open, still_open)

    async def _stay(self, change: OpenStay | MinuteRecord) -> Stay:
        stay = change.stay if isinstance(change, MinuteRecord) else change
        owner = await self._tenants.sub_account(UUID(stay.sub_account_id))
        over = change if isinstance(change, MinuteRecord) else None
        charge = currency = None
        joined_at = instant(stay.identity.joined_us)
        version = rating.effective(await self._tenants.tariff_versions(owner.account_id), joined_at)
        if over and version:
            charge = rating.charge(over.duration_us, version)
            currency = (await self._tenants.account(owner.account_id)).currency
        return Stay(
            stay.identity.id,
            owner.account_id,
            owner.id,
            owner.user_id,
            UUID(stay.room),
            stay.identity.conference_id,
            stay.identity.uniqueid,
            stay.role,
            stay.caller,
            stay.access_number,
            stay.project_code,
            joined_at,
            instant(over.left_us) if over else None,
            over.reason.value if over else None,
            over.duration_us if over else None,
            charge.billed_seconds if charge else None,
            charge.amount if charge else None,
            currency,
            over.evidence.value if over else None,
            over.error_bound_us if over else None,
        )

    async def _billed(self, stay: Stay) -> BilledStay:
        assert stay.sub_account_id
        assert stay.left_at
        owner = await self._tenants.sub_account(stay.sub_account_id)
        return BilledStay(
            stay.id,
            owner.id,
            owner.user_id,
            owner.name,
            owner.kind.value,
            stay.conference_id,
            owner.rooms[0].name,
            stay.role,
            stay.caller,
            stay.joined_at,
            stay.left_at,
            stay.duration_us or 0,
            stay.billed_seconds or 0,
            stay.amount or Decimal(0),
            stay.evidence or "",
        )


def _matches(stay: Stay, wanted: StayFilter) -> bool:
    for name in ("account_id", "sub_account_id", "room_id", "conference_id", "caller"):
        value = getattr(wanted, name)
        if value is not None and getattr(stay, name) != value:
            return False
    if wanted.joined_from is not None and stay.joined_at < wanted.joined_from:
        return False
    if wanted.joined_until is not None and stay.joined_at >= wanted.joined_until:
        return False
    return wanted.open is None or wanted.open == (stay.left_at is None)


def _found(things: dict[UUID, Thing], thing_id: UUID) -> Thing:
    if thing_id not in things:
        raise NotFound(f"there is none with the id {thing_id}")
    return things[thing_id]


def _page(things: object, limit: int, after: UUID | None) -> list:  # type: ignore[type-arg]  # of whatever was given
    rest = iter(things)  # type: ignore[call-overload]  # the same
    if after is not None:
        for thing in rest:
            if thing.id == after:
                break
    return list(islice(rest, limit))
