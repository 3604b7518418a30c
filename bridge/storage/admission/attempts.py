"""Refused entries in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain import phone
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.storage.postgres import bulk
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.admission import admission_attempts
from bridge.storage.postgres.tables.provisioning import access_numbers
from bridge.usecases.admission.ports import RefusedEntryFilter

DELETED_AT_ONCE: Final = 10_000
UNKNOWN_MOST: Final = 5
NUMBERS_MOST: Final = 10_000
ALIKE_DIGITS: Final = 7
"""Two numbers with the same last digits are taken for two forms of one."""
_TOLD: Final = (
    *("id", "created_at", "node", "uniqueid", "caller", "access_number", "trunk", "reason"),
    *("account_id", "sub_account_id", "passcode_id"),
)


@dataclass(frozen=True, slots=True)
class UnknownNumber:
    """A number that callers dialled and that is no access number; `like` is an access number that ends alike."""

    number: str
    calls: int
    like: str | None


async def unknown_numbers(connection: AsyncConnection, since: datetime) -> list[UnknownNumber]:
    """The numbers without an access number that were dialled most since an instant, at most UNKNOWN_MOST."""
    at, number = admission_attempts.c, access_numbers.c.number
    dialled = (
        select(at.access_number, func.count().label("calls"))
        .where(
            at.created_at >= since, at.reason == Refusal.UNKNOWN_NUMBER.value, at.access_number.not_in(select(number))
        )
        .group_by(at.access_number)
        .order_by(func.count().desc(), at.access_number)
        .limit(UNKNOWN_MOST)
    )
    found = (await connection.execute(dialled)).all()
    known = (await connection.execute(select(number).order_by(number).limit(NUMBERS_MOST))).scalars() if found else ()
    ends = {phone.tail(one, ALIKE_DIGITS): one for one in known}
    return [
        UnknownNumber(row.access_number, row.calls, ends.get(phone.tail(row.access_number, ALIKE_DIGITS)))
        for row in found
    ]


class PostgresRefusedEntries:
    """Implements admission_ports.RefusedEntries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        rows = [{**{name: getattr(one, name) for name in _TOLD}, "reason": one.reason.value} for one in attempts]
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


def _attempt(row: RowMapping) -> RefusedEntry:
    return RefusedEntry(**{**{name: row[name] for name in _TOLD}, "reason": Refusal(row["reason"])})
