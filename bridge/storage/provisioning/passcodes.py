"""Passcodes of rooms."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.changes import PasscodeChanges, given
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.provisioning.tenants import Passcode, Space
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.provisioning import SHARED, passcodes, rooms
from bridge.storage.provisioning import code_space as codes
from bridge.storage.provisioning import events, usage
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import (
    Beginnings,
    CodeSite,
    CodeSpace,
    CodeTaken,
    CodeTries,
    NewCode,
    PasscodeFilter,
    Place,
)

_ALL: Final = PasscodeFilter()
_SITE: Final = text(
    f"""
SELECT accounts.id AS account_id, sub_accounts.id AS sub_account_id, accounts.code_space, sub_accounts.user_id,
    'closed' IN (rooms.state, sub_accounts.state, accounts.state) AS closed,
    {codes.LENGTHS.format("CASE code_space WHEN :own THEN accounts.id ELSE :shared END")} AS lengths,
    CASE WHEN :known THEN ARRAY(
        SELECT number FROM access_numbers AS at WHERE at.account_id IS NULL OR at.account_id = accounts.id
    ) END AS numbers
FROM rooms
JOIN sub_accounts ON sub_accounts.id = rooms.sub_account_id
JOIN accounts ON accounts.id = rooms.account_id
WHERE rooms.id = :id
"""  # noqa: S608  # our own names alone
)
_OWNER: Final = text(
    """
SELECT passcodes.account_id, rooms.sub_account_id
FROM passcodes JOIN rooms ON rooms.id = passcodes.room_id WHERE passcodes.id = :id
"""
)
# If the clock of Postgres was set back, the count of the later day goes on.
_TRY: Final = text(
    """
INSERT INTO chosen_code_tries AS kept (account_id, day, tries) VALUES (:account, (now() AT TIME ZONE 'UTC')::date, 1)
ON CONFLICT (account_id) DO UPDATE SET
    tries = CASE WHEN kept.day < EXCLUDED.day THEN 1 ELSE kept.tries + 1 END,
    day = greatest(kept.day, EXCLUDED.day)
RETURNING tries, ceil(extract(epoch FROM (day + 1)::timestamp AT TIME ZONE 'UTC' - now()))::bigint AS next_day_s
"""
)


class PostgresPasscodes(Repository):
    """Implements the passcodes of provisioning_ports.Tenants."""

    async def code_space(self, account_id: UUID | None = None) -> CodeSpace:
        async with self._database.snapshot() as connection:
            return await codes.space(connection, account_id, self._lengths)

    async def code_site(self, room_id: UUID, *, known: bool = False) -> CodeSite:
        asked = {"id": room_id, "own": Space.OWN.value, "shared": SHARED, "known": known}
        async with self._database.snapshot() as connection:
            row = (await connection.execute(_SITE, asked)).one_or_none()
        if row is None:
            raise NotFound(f"there is no room {room_id}")
        if row.closed:
            raise Conflict("the room, or who owns it, is closed")
        own = row.account_id if row.code_space == Space.OWN else None
        space = CodeSpace(codes.live_codes(row.lengths), own, self._lengths)
        return CodeSite(row.account_id, row.sub_account_id, room_id, space, (row.user_id, *(row.numbers or ())))

    async def add_passcodes(self, site: CodeSite, new: Sequence[NewCode], *, in_place: bool = False) -> list[Passcode]:
        async with self._database.same_transaction() as connection:
            subscribed = await events.has_subscribers(connection, site.account_id)
            taken = await codes.lock_and_find_taken(connection, site.space, new, site.account_id, site.room_id)
            if taken:
                raise CodeTaken(taken)
            added = await _added(connection, site, new, "passcode.created", subscribed)
            if not in_place:
                await usage.check(connection, site.account_id, Quota.PASSCODES)
            return added

    async def import_passcodes(
        self, site: CodeSite, new: Sequence[NewCode], beginnings: Beginnings
    ) -> tuple[CodeSpace, list[Passcode]]:
        async with self._database.same_transaction() as connection:
            subscribed = await events.has_subscribers(connection, site.account_id)
            before, taken = await codes.lock_and_compare(connection, site.space, new, site.account_id, site.room_id)
            # The lock is held meanwhile: no other code comes that begins with one of these.
            async for sealed in codes.sealed_beyond(connection, before, min(code.length for code in new)):
                taken |= await beginnings(sealed)
            if taken:
                raise CodeTaken(taken)
            return before, await _added(connection, site, new, "passcode.imported", subscribed)

    async def count_try(self, account_id: UUID) -> CodeTries:
        # A transaction of its own: the count stays although the request fails.
        async with self._database.separate_transaction() as connection:
            row = (await connection.execute(_TRY, {"account": account_id})).one()
            return CodeTries(row.tries, row.next_day_s)

    async def note_refused(self, site: CodeSite, count: int) -> None:
        """Write into the audit log that `count` chosen codes were refused.

        The entry is a transaction of its own, so it stays although the request fails.
        """
        owner = Owner(site.account_id, site.sub_account_id)
        async with self._database.separate_transaction() as connection:
            await audit_log.note(
                connection, "passcode.choice_refused", "room", site.room_id, owner, {"passcodes": count}
            )

    async def passcode(self, passcode_id: UUID) -> Passcode:
        async with self._database.snapshot() as connection:
            return codes.passcode_of(await _found(connection, passcode_id))

    async def passcodes(
        self, room_id: UUID, limit: int, after: Place | None = None, wanted: PasscodeFilter = _ALL
    ) -> list[Passcode]:
        """List the passcodes of a room, revoked ones too. Raises NotFound (the room)."""
        statement = select(passcodes).where(passcodes.c.room_id == room_id)
        for name in ("state", "role"):
            value = getattr(wanted, name)
            if value is not None:
                statement = statement.where(passcodes.c[name] == value)
        async with self._database.snapshot() as connection:
            if (await connection.execute(select(rooms.c.id).where(rooms.c.id == room_id))).first() is None:
                raise NotFound(f"there is no room {room_id}")
            found = await connection.execute(page(statement, passcodes, limit, after))
            return [codes.passcode_of(row) for row in found.mappings()]

    async def sealed(self, passcode_id: UUID) -> tuple[bytes, bytes | None]:
        async with self._database.snapshot() as connection:
            row = await _found(connection, passcode_id)
        if row["state"] != "live":
            raise Conflict("the passcode has been revoked")
        return bytes(row["sealed"]), row["pin_sealed"] and bytes(row["pin_sealed"])

    async def note_reveal(self, passcode_id: UUID) -> None:
        async with self._database.transaction() as connection:
            owner = await _owner(connection, passcode_id)
            await audit_log.note(connection, "passcode.revealed", "passcode", passcode_id, owner)

    async def change_passcode(
        self, passcode_id: UUID, wanted: PasscodeChanges, expected: int | None = None
    ) -> Passcode:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            row = await row_versions.locked(connection, passcodes, passcode_id, expected, "passcode")
            changes = row_versions.differing(row, changes)
            if changes:
                if row["state"] != "live":
                    raise Conflict("the passcode has been revoked, for good")
                row = await row_versions.updated(connection, passcodes, passcode_id, changes)
                owner, detail = await _owner(connection, passcode_id), row_versions.audit_detail(changes)
                await audit_log.note(connection, "passcode.changed", "passcode", passcode_id, owner, detail)
            return codes.passcode_of(row)

    async def revoke_passcode(self, passcode_id: UUID, expected: int | None = None) -> Passcode:
        async with self._database.transaction() as connection:
            owner = await _owner(connection, passcode_id)
            assert owner.account_id is not None
            await codes.lock_space_of(connection, owner.account_id)
            row = await row_versions.locked(connection, passcodes, passcode_id, expected, "passcode")
            if row["state"] == "live":
                revoked = await codes.revoke(connection, passcodes.c.id == passcode_id)
                await audit_log.note(connection, "passcode.revoked", "passcode", passcode_id, owner)
                assert owner.sub_account_id is not None
                await events.passcodes_revoked(connection, owner.account_id, owner.sub_account_id, revoked)
                row = await _found(connection, passcode_id)
            return codes.passcode_of(row)


async def _added(
    connection: AsyncConnection, site: CodeSite, new: Sequence[NewCode], action: str, subscribed: bool
) -> list[Passcode]:
    """Store codes that nothing is in the way of, with their entries of the audit log and their events."""
    placed = [(site.room_id, code) for code in new]
    owner = Owner(site.account_id, site.sub_account_id)
    noted = audit_log.noted(action, "passcode", [(code.id, owner, _detail(code)) for code in new])
    added = await codes.insert(connection, site.space, site.account_id, placed, noted)
    if subscribed:
        await events.passcodes_created(connection, site.account_id, site.sub_account_id, added)
    return added


async def _found(connection: AsyncConnection, passcode_id: UUID) -> RowMapping:
    result = await connection.execute(select(passcodes).where(passcodes.c.id == passcode_id))
    row = result.mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no passcode {passcode_id}")
    return row


async def _owner(connection: AsyncConnection, passcode_id: UUID) -> Owner:
    row = (await connection.execute(_OWNER, {"id": passcode_id})).one_or_none()
    if row is None:
        raise NotFound(f"there is no passcode {passcode_id}")
    return Owner(row.account_id, row.sub_account_id)


def _detail(new: NewCode) -> dict[str, Any]:
    detail: dict[str, Any] = {"role": new.role.value, "chosen": new.chosen, "pin": new.pin is not None}
    if new.replaces is not None:
        detail["replaces"] = str(new.replaces)
    return detail
