"""Events of rooms for webhooks: each stay that a commit of the ledger begins or ends, and the conferences around them.

The ids of these events are derived from their content, so that an event which is written twice has one id.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import any_, bindparam, func, select, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Uuid

from bridge.domain.metering.records import Stay
from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import ROOM_KINDS, Conference, Event, EventKind
from bridge.storage.metering import minutes
from bridge.storage.postgres import current_records
from bridge.storage.postgres.bulk import Row
from bridge.storage.postgres.tables.metering import minute_records, open_stays
from bridge.storage.webhooks import outbox

_EVENTS: Final = UUID("3f0b8f5a-6d3e-5b0a-9a3c-5d7c61c0b9e4")
_IDS: Final = bindparam("ids", type_=ARRAY(Uuid))


@dataclass(frozen=True, slots=True)
class Before:
    """The stays that a commit touches, and which of them were open before it."""

    going: Sequence[Row]
    closing: Sequence[Row]
    open: frozenset[UUID]


async def before(connection: AsyncConnection, going: Sequence[Row], closing: Sequence[Row]) -> Before | None:
    """Read what was open, before rows of open stays and records are written. None if no webhook listens."""
    accounts = {row["account_id"] for rows in (going, closing) for row in rows}
    if not accounts or not await outbox.subscriptions(connection, accounts, ROOM_KINDS):
        return None
    ids = [row["id"] for rows in (going, closing) for row in rows]
    return Before(going, closing, frozenset(await _open(connection, ids)))


async def emit(connection: AsyncConnection, known: Before, recorded: Collection[UUID]) -> None:
    """Write the events of a commit, once all its rows are written. `recorded` are the records that are new."""
    still = await _open(connection, [row["id"] for row in known.going])
    over = {row["id"]: row["joined_at"] for row in known.closing if row["id"] in recorded}
    stays = await minutes.stays_by_id(connection, still - known.open, over)
    joined = [stay for stay in stays if stay.id not in known.open]
    left = [stay for stay in stays if stay.id in over]
    begun = await _begun(connection, joined)
    ended = await _ended(connection, left)
    await outbox.emit(connection, list(_in_order(joined, left, begun, ended)))


def _in_order(
    joined: Iterable[Stay], left: Iterable[Stay], begun: Collection[UUID], ended: Collection[Conference]
) -> Iterable[Event]:
    events = [_participant(EventKind.PARTICIPANT_JOINED, payload.at_joining(stay), stay.joined_at) for stay in joined]
    events += [_participant(EventKind.PARTICIPANT_LEFT, stay, stay.left_at or stay.joined_at) for stay in left]
    first = {stay.conference_id: stay for stay in sorted(joined, key=_joining, reverse=True)}
    yield from (_conference(EventKind.CONFERENCE_STARTED, _conference_of(first[one]), first[one].id) for one in begun)
    yield from sorted(events, key=lambda event: event.created_at)
    last = {stay.conference_id: stay for stay in sorted(left, key=_leaving)}
    yield from (_conference(EventKind.CONFERENCE_ENDED, one, last[one.id].id) for one in ended)


def _joining(stay: Stay) -> tuple[datetime, UUID]:
    return stay.joined_at, stay.id


def _leaving(stay: Stay) -> tuple[datetime, UUID]:
    return stay.left_at or stay.joined_at, stay.id


def _participant(kind: EventKind, stay: Stay, at: datetime) -> Event:
    return Event(uuid5(_EVENTS, f"{kind}|{stay.id}"), kind, at, stay.account_id, str(stay.conference_id), stay)


def _conference(kind: EventKind, told: Conference, by: UUID) -> Event:
    """An event of a conference, and the stay `by` which it began or ended.

    A stay that is found late, after a fault, ends its conference once more.
    """
    at = told.ended_at or told.started_at
    return Event(uuid5(_EVENTS, f"{kind}|{told.id}|{by}"), kind, at, told.account_id, str(told.id), told)


def _conference_of(stay: Stay) -> Conference:
    return Conference(stay.conference_id, stay.account_id, stay.sub_account_id, stay.room_id, stay.joined_at)


async def _open(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    if not ids:
        return set()
    statement = select(open_stays.c.id).where(open_stays.c.id == any_(_IDS))
    return set((await connection.execute(statement, {"ids": ids})).scalars())


async def _begun(connection: AsyncConnection, joined: Sequence[Stay]) -> list[UUID]:
    """The conferences that had no participant before, in order of their beginning."""
    if not joined:
        return []
    sides: list[Any] = []
    for table in (open_stays, minute_records):
        of_these = table.c.conference_id.in_({stay.conference_id for stay in joined})
        sides.append(select(table.c.conference_id).where(of_these, table.c.id.not_in([stay.id for stay in joined])))
    known = set((await connection.execute(union(*sides))).scalars())
    return list(
        dict.fromkeys(stay.conference_id for stay in sorted(joined, key=_joining) if stay.conference_id not in known)
    )


async def _ended(connection: AsyncConnection, left: Sequence[Stay]) -> list[Conference]:
    """The conferences without participants now, in order of their end."""
    of = {stay.conference_id: stay for stay in left}
    if not of:
        return []
    going = select(open_stays.c.conference_id).where(open_stays.c.conference_id.in_(of))
    at = minute_records.c
    over = (
        select(at.conference_id, func.min(at.joined_at), func.max(at.left_at), func.count())
        .where(at.conference_id.in_(of), at.conference_id.not_in(going), current_records.stay(at))
        .group_by(at.conference_id)
    )
    rows = [tuple(row) for row in await connection.execute(over)]
    ended = [
        Conference(one, of[one].account_id, of[one].sub_account_id, of[one].room_id, started_at, ended_at, stays)
        for one, started_at, ended_at, stays in rows
    ]
    return sorted(ended, key=lambda conference: (conference.ended_at or conference.started_at, conference.id))
