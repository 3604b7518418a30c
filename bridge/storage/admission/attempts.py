"""Refused entries in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, false, func, literal, or_, select, tuple_, union_all
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.admission import number_advice
from bridge.domain.admission.bucket import BucketKind
from bridge.domain.admission.numbering import Numbering
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.storage.postgres import bulk
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.admission import admission_attempts
from bridge.storage.postgres.tables.metering import calls, minute_records, open_stays
from bridge.storage.postgres.tables.provisioning import access_numbers, trunks
from bridge.usecases.admission.ports import RefusedEntryFilter

DELETED_AT_ONCE: Final = 10_000
UNKNOWN_MOST: Final = 5
NUMBERS_MOST: Final = 10_000
OWN_CALLERS: Final = timedelta(days=30)
"""A number that entered the rooms of one account alone for so long is that account's caller."""
_TOLD: Final = (
    *("id", "created_at", "node", "uniqueid", "caller", "access_number", "trunk", "reason"),
    *("account_id", "sub_account_id", "passcode_id", "trunk_id", "waited_for", "chance"),
)


@dataclass(frozen=True, slots=True)
class UnknownNumber:
    """A number that callers dialled and that is no access number. `advice` says what to set, if anything would help."""

    number: str
    calls: int
    advice: str | None


@dataclass(frozen=True, slots=True)
class TrunkNumbers:
    """The numbers that a trunk has sent lately: calls to access numbers, and how many callers of them there were.

    `bare_callers` have no E.164 number in the form that is set. `refused` are calls to numbers that are none, `advice`
    says what would help them.
    """

    calls: int
    callers: int
    bare_callers: int
    refused: int
    advice: Sequence[str]


async def unknown_numbers(connection: AsyncConnection, since: datetime) -> list[UnknownNumber]:
    """The numbers without an access number that were dialled most since an instant, at most UNKNOWN_MOST."""
    at, number = admission_attempts.c, access_numbers.c.number
    dialled = (
        select(at.access_number, at.trunk_id, func.min(at.trunk).label("address"), func.count().label("calls"))
        .where(
            at.created_at >= since, at.reason == Refusal.UNKNOWN_NUMBER.value, at.access_number.not_in(select(number))
        )
        .group_by(at.access_number, at.trunk_id)
        .order_by(func.count().desc(), at.access_number)
        .limit(UNKNOWN_MOST)
    )
    found = (await connection.execute(dialled)).all()
    known = await _access_numbers(connection) if found else ()
    names = {row.id: row.name for row in await connection.execute(select(trunks.c.id, trunks.c.name))} if found else {}
    return [
        UnknownNumber(
            row.access_number,
            row.calls,
            number_advice.advice(names.get(row.trunk_id, row.address), row.access_number, known),
        )
        for row in found
    ]


async def numbers_of_trunk(
    connection: AsyncConnection, trunk_id: UUID, since: datetime, numbering: Numbering
) -> TrunkNumbers:
    """The numbers that a trunk has sent since an instant. Refused calls that its present settings would let in do not
    count."""
    at, call = admission_attempts.c, calls.c
    known = await _access_numbers(connection)
    name = (await connection.execute(select(trunks.c.name).where(trunks.c.id == trunk_id))).scalar_one()
    taken = select(
        func.count().label("calls"),
        func.count(call.caller.distinct()).label("callers"),
        func.count(call.caller.distinct()).filter(call.caller.not_like("+%")).label("bare"),
    ).where(call.started_at >= since, call.trunk_id == trunk_id, call.access_number.in_(known), call.caller != "")
    counted = (await connection.execute(taken)).one()
    refused = (
        await connection.execute(
            select(at.access_number, func.count().label("calls"))
            .where(at.created_at >= since, at.trunk_id == trunk_id, at.reason == Refusal.UNKNOWN_NUMBER.value)
            .group_by(at.access_number)
            .order_by(func.count().desc(), at.access_number)
            .limit(UNKNOWN_MOST)
        )
    ).all()
    unknown = [row for row in refused if not set(numbering.dialled(row.access_number)) & set(known)]
    advice = [
        number_advice.advice(name, row.access_number, known)
        or f"trunk {name} sends {row.access_number or 'no number'}, which is like no access number"
        for row in unknown
    ]
    return TrunkNumbers(counted.calls, counted.callers, counted.bare, sum(row.calls for row in unknown), advice)


async def expected_openings(connection: AsyncConnection, since: datetime) -> float:
    """The rooms that the wrong entries since an instant were expected to open by chance."""
    at = admission_attempts.c
    spent = select(func.coalesce(func.sum(at.chance), 0.0)).where(at.created_at >= since)
    return float((await connection.execute(spent)).scalar_one())


async def _access_numbers(connection: AsyncConnection) -> list[str]:
    number = access_numbers.c.number
    return list((await connection.execute(select(number).order_by(number).limit(NUMBERS_MOST))).scalars())


class PostgresRefusedEntries:
    """Implements admission_ports.RefusedEntries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        rows = [
            {
                **{name: getattr(one, name) for name in _TOLD},
                "reason": one.reason.value,
                "waited_for": one.waited_for and one.waited_for.value,
            }
            for one in attempts
        ]
        async with self._database.transaction() as connection:
            await bulk.add(connection, admission_attempts, rows)

    async def page(
        self, wanted: RefusedEntryFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[RefusedEntry]:
        at = admission_attempts.c
        reason = wanted.reason.value if wanted.reason else None
        exact = (
            (at.account_id, wanted.account_id),
            (at.access_number, wanted.access_number),
            (at.reason, reason),
        )
        asked = [
            *(column == value for column, value in exact if value is not None),
            *([at.caller.in_(sorted(wanted.callers))] if wanted.callers is not None else []),
            *([_seen_by(wanted.viewer)] if wanted.viewer is not None else []),
            *([at.created_at >= wanted.since] if wanted.since else []),
            *([at.created_at < wanted.until] if wanted.until else []),
        ]
        if after is not None:
            asked.append(tuple_(at.created_at, at.id) > tuple_(literal(after[0]), literal(after[1])))
        statement = select(admission_attempts).where(*asked).order_by(at.created_at, at.id).limit(limit)
        async with self._database.transaction() as connection:
            return [_attempt(row) for row in (await connection.execute(statement)).mappings()]

    async def prune(self, before: datetime) -> None:
        at = admission_attempts.c
        old = select(at.id).where(at.created_at < before).order_by(at.created_at).limit(DELETED_AT_ONCE)
        while True:
            async with self._database.transaction() as connection:
                gone = await connection.execute(delete(admission_attempts).where(at.id.in_(old)))
            if gone.rowcount < DELETED_AT_ONCE:
                return


def _seen_by(account_id: UUID) -> ColumnElement[bool]:
    """Entries whose code was right and is of this account, and those of numbers that enter its rooms alone."""
    at, lately = admission_attempts.c, func.clock_timestamp() - OWN_CALLERS
    stays = union_all(
        *(
            select(table.c.caller, table.c.account_id).where(table.c.joined_at >= lately, table.c.caller != "")
            for table in (minute_records, open_stays)
        )
    ).subquery()
    within = func.bool_and(func.coalesce(stays.c.account_id == account_id, false()))
    theirs = select(stays.c.caller).group_by(stays.c.caller).having(within)
    return or_(at.account_id == account_id, and_(at.account_id.is_(None), at.caller.in_(theirs)))


def _attempt(row: RowMapping) -> RefusedEntry:
    waited_for = BucketKind(row["waited_for"]) if row["waited_for"] else None
    told = {"reason": Refusal(row["reason"]), "waited_for": waited_for}
    return RefusedEntry(**{**{name: row[name] for name in _TOLD}, **told})
