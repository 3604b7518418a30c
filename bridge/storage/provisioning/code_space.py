"""Code spaces: sets of live passcodes that stay prefix-free, also when many write at the same time.

No live code may begin with another, because the shorter one would admit a caller who is still keying the longer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.code_lengths import CodeLengths, LiveCodes
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Passcode, Space
from bridge.storage.postgres import bulk, locks
from bridge.storage.postgres.tables.access import audit_log
from bridge.storage.postgres.tables.provisioning import SHARED, accounts, passcodes, rooms
from bridge.usecases.provisioning.ports import CodeSpace, CodeTaken, NewCode

LENGTHS: Final = "(SELECT jsonb_object_agg(length, live) FROM passcode_lengths WHERE space = {})"
_AT_A_TIME: Final = 1000
_SHARED: Final = text(f"SELECT {LENGTHS.format(':space')} AS lengths")
_ALL: Final = text(
    "SELECT space, jsonb_object_agg(length, live) AS lengths FROM passcode_lengths WHERE live > 0 GROUP BY space "
    "ORDER BY space <> :shared, space"
)
_OF_ACCOUNT: Final = text(
    f"SELECT code_space, {LENGTHS.format('CASE code_space WHEN :own THEN accounts.id ELSE :shared END')} AS lengths "  # noqa: S608  # our own names alone
    "FROM accounts WHERE id = :id"
)


async def space(connection: AsyncConnection, account_id: UUID | None, lengths: CodeLengths) -> CodeSpace:
    """Read the code space of an account, or (None) that of the shared numbers. Raises NotFound."""
    if account_id is None:
        row = (await connection.execute(_SHARED, {"space": SHARED})).one()
        return CodeSpace(live_codes(row.lengths), None, lengths)
    asked = {"own": Space.OWN.value, "shared": SHARED, "id": account_id}
    found = (await connection.execute(_OF_ACCOUNT, asked)).one_or_none()
    if found is None:
        raise NotFound(f"there is no account {account_id}")
    return CodeSpace(live_codes(found.lengths), account_id if found.code_space == Space.OWN else None, lengths)


async def spaces(connection: AsyncConnection, lengths: CodeLengths) -> list[CodeSpace]:
    """Read all code spaces with live codes, that of the shared numbers first."""
    rows = (await connection.execute(_ALL, {"shared": SHARED})).all()
    return [CodeSpace(live_codes(row.lengths), None if row.space == SHARED else row.space, lengths) for row in rows]


def live_codes(lengths: Mapping[str, int] | None) -> LiveCodes:
    """Return the counts of live codes by length, without lengths that are not in use any more."""
    return {int(length): live for length, live in (lengths or {}).items() if live > 0}


def space_id(seen: CodeSpace) -> UUID:
    """Return the id of a code space in the tables: its account's, or SHARED."""
    return seen.account_id or SHARED


async def lock_and_find_taken(
    connection: AsyncConnection,
    seen: CodeSpace,
    new: Sequence[NewCode],
    account_id: UUID | None = None,
    room_id: UUID | None = None,
) -> frozenset[int]:
    """Lock the code space, and return the places in `new` of codes that may not be stored.

    A code may not be stored if it is weak, or if it or a beginning of it is live or comes earlier in `new`. The lock
    holds until the transaction ends.

    Raises CodeTaken without places if codes of these lengths don't fit any more, or lengths are in use that were not
    when the space was `seen`; Conflict if the account or room they are for is closed.
    """
    now, taken = await lock_and_compare(connection, seen, new, account_id, room_id)
    if not seen.lengths.fit(now.live, (code.length for code in new)):
        raise CodeTaken
    return taken


async def lock_and_compare(
    connection: AsyncConnection,
    seen: CodeSpace,
    new: Sequence[NewCode],
    account_id: UUID | None = None,
    room_id: UUID | None = None,
) -> tuple[CodeSpace, frozenset[int]]:
    """Do as `lock_and_find_taken`, for codes of any length. Return the code space as it is now, too."""
    digests = {prefix for code in new for prefix in code.prefixes}
    asked = {"space": space_id(seen), "account": account_id, "room": room_id, "digests": list(digests)}
    row = await locks.lock_and_read_code_space(connection, asked)
    if row.closed:
        raise Conflict("the room, or who owns it, is closed")
    now, live = replace(seen, live=live_codes(row.lengths)), set(row.live)
    if not now.live.keys() <= seen.live.keys():
        raise CodeTaken
    found = set()
    # Shorter codes first: each then counts as live for the longer ones of the same batch.
    for place, code in sorted(enumerate(new), key=lambda each: each[1].length):
        if code.weak or not live.isdisjoint(code.prefixes):
            found.add(place)
        live.add(code.digest)
    return now, frozenset(found)


async def sealed_beyond(connection: AsyncConnection, seen: CodeSpace, length: int) -> AsyncIterator[list[bytes]]:
    """Yield the sealed digits of all live codes that are longer than `length`, some at a time."""
    condition = (passcodes.c.state == "live") & (passcodes.c.space == space_id(seen)) & (passcodes.c.length > length)
    found = await connection.stream_scalars(
        select(passcodes.c.sealed).where(condition), execution_options={"yield_per": _AT_A_TIME}
    )
    async for some in found.partitions():
        yield list(some)


async def insert(
    connection: AsyncConnection,
    seen: CodeSpace,
    account_id: UUID,
    new: Sequence[tuple[UUID, NewCode]],
    noted: Sequence[bulk.Row] | None = None,
) -> list[Passcode]:
    """Store codes of an account, given as (room, code): all or none. `lock_and_find_taken` must have found none taken.

    `noted` are rows of the audit log, one for each code, inserted by the same statements.
    """
    added = []
    for start in range(0, len(new), bulk.AT_A_TIME):
        some = new[start : start + bulk.AT_A_TIME]
        rows = [_row(seen, account_id, room_id, code) for room_id, code in some]
        beside = None if noted is None else (audit_log, noted[start : start + bulk.AT_A_TIME])
        stored = await bulk.inserted(connection, passcodes, rows, "created_at", beside=beside)
        if len(stored) != len(rows):
            raise Conflict("passcodes were written without their lock; try again")
        created = {row["id"]: row["created_at"] for row in stored}
        added += [_made(room_id, code, created[code.id]) for room_id, code in some]
    return added


def _made(room_id: UUID, code: NewCode, created_at: datetime) -> Passcode:
    return Passcode(
        id=code.id,
        room_id=room_id,
        role=code.role,
        state="live",
        created_at=created_at,
        digits=code.digits,
        label=code.terms.label,
        chosen=code.chosen,
        valid_from=code.terms.valid_from,
        valid_until=code.terms.valid_until,
        max_uses=code.terms.max_uses,
        has_pin=code.pin is not None,
        pin=None if code.pin is None else code.pin.digits,
        replaces=code.replaces,
    )


def _row(seen: CodeSpace, account_id: UUID, room_id: UUID, code: NewCode) -> dict[str, Any]:
    return {
        "id": code.id,
        "account_id": account_id,
        "room_id": room_id,
        "role": code.role.value,
        "space": space_id(seen),
        "digest": code.digest,
        "length": code.length,
        "sealed": code.sealed,
        "key_id": code.key_id,
        "label": code.terms.label,
        "chosen": code.chosen,
        "valid_from": code.terms.valid_from,
        "valid_until": code.terms.valid_until,
        "max_uses": code.terms.max_uses,
        "pin_digest": code.pin and code.pin.digest,
        "pin_sealed": code.pin and code.pin.sealed,
        "replaces": code.replaces,
    }


async def revoke(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[Passcode]:
    """Revoke the live ones of the passcodes that a condition selects, and return them.

    Needs the lock of their space.
    """
    revoked = await connection.execute(
        update(passcodes)
        .where(passcodes.c.state == "live", condition)
        .values(
            state="revoked",
            revoked_at=func.clock_timestamp(),
            version=passcodes.c.version + 1,
            updated_at=func.clock_timestamp(),
        )
        .returning(passcodes)
    )
    return [passcode_of(row) for row in revoked.mappings()]


async def lock_space_of(connection: AsyncConnection, account_id: UUID) -> None:
    """Lock the code space of an account until the transaction ends. Raises NotFound."""
    kind = (await connection.execute(select(accounts.c.code_space).where(accounts.c.id == account_id))).scalar()
    if kind is None:
        raise NotFound(f"there is no account {account_id}")
    await locks.lock_code_space(connection, account_id if kind == Space.OWN else SHARED)


def in_rooms_of(sub_account_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a passcode is in a room of a sub-account."""
    return passcodes.c.room_id.in_(select(rooms.c.id).where(rooms.c.sub_account_id == sub_account_id))


def passcode_of(row: RowMapping) -> Passcode:
    """Build a passcode from its row, without digits."""
    return Passcode(
        id=row["id"],
        room_id=row["room_id"],
        role=Role(row["role"]),
        state=row["state"],
        created_at=row["created_at"],
        label=row["label"],
        chosen=row["chosen"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        max_uses=row["max_uses"],
        uses=row["uses"],
        has_pin=row["pin_digest"] is not None,
        replaces=row["replaces"],
        revoked_at=row["revoked_at"],
        version=row["version"],
    )
