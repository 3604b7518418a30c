"""Sub-accounts, each with its first rooms and their first live passcodes."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, literal, select, union_all
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, InvalidRows, NotFound
from bridge.domain.provisioning.changes import SubAccountChanges, given
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.provisioning.tenants import Room, State, SubAccount, SubAccountKind
from bridge.storage.access import audit_log as audit
from bridge.storage.postgres import bulk, row_versions
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.keyset import later, page
from bridge.storage.postgres.row_versions import Columns
from bridge.storage.postgres.tables.access import api_keys, audit_log
from bridge.storage.postgres.tables.metering import minute_records, open_stays
from bridge.storage.postgres.tables.provisioning import (
    known_callers,
    passcodes,
    project_codes,
    rooms,
    sub_account_labels,
    sub_accounts,
)
from bridge.storage.provisioning import accounts, code_space, events, usage
from bridge.storage.provisioning.repository import Repository
from bridge.storage.provisioning.rooms import ROOM, of_sub_accounts, room_of
from bridge.usecases.provisioning.ports import CodeSpace, CodeTaken, NewSubAccount, Place, SubAccountFilter

_RETURNED: Final = (
    *("account_id", "user_id", "name", "kind", "state", "created_at"),
    *("cost_centre", "max_callers", "trust_callers", "labels", "version"),
)
_ALL: Final = SubAccountFilter()
_USED: Final = {"minute records": minute_records, "open stays": open_stays}
_OWNED: Final = (known_callers, project_codes, api_keys, rooms)


class PostgresSubAccounts(Repository):
    """Implements the sub-accounts of provisioning_ports.Tenants."""

    async def add_sub_accounts(
        self, account_id: UUID, seen: CodeSpace, new: Sequence[NewSubAccount]
    ) -> list[SubAccount]:
        """Add sub-accounts, all with the same fields.

        Raises NotFound (the account), and the errors that the port names.
        """
        async with self._database.same_transaction() as connection:
            subscribed = await events.has_subscribers(connection, account_id)
            if taken := await code_space.lock_and_find_taken(
                connection, seen, [code for one in new for code in one.codes], account_id
            ):
                raise CodeTaken(taken)
            rows = [{"id": one.id, "account_id": account_id, **given(one.fields)} for one in new]
            done = [(one.id, Owner(account_id, one.id), {"user_id": one.fields.user_id}) for one in new]
            noted = audit.noted("sub_account.created", "sub_account", done)
            stored = await bulk.inserted(connection, sub_accounts, rows, *_RETURNED, beside=(audit_log, noted))
            made = {row["id"]: row for row in stored}
            _refuse_user_ids([(place, one) for place, one in enumerate(new) if one.id not in made])
            owned = await _add_rooms(connection, account_id, seen, new)
            added = [_sub_account(made[one.id], [room]) for one, room in zip(new, owned, strict=True)]
            await usage.check(connection, account_id, Quota.SUB_ACCOUNTS, Quota.ROOMS, Quota.PASSCODES)
            if subscribed:
                await events.sub_accounts_created(connection, added)
            return added

    async def sub_account(self, sub_account_id: UUID) -> SubAccount:
        async with self._database.snapshot() as connection:
            result = await connection.execute(select(sub_accounts).where(sub_accounts.c.id == sub_account_id))
            rows = result.mappings().all()
            if not rows:
                raise NotFound(f"there is no sub-account {sub_account_id}")
            return (await _with_rooms(connection, rows))[0]

    async def sub_accounts(
        self, account_id: UUID, limit: int, after: Place | None = None, wanted: SubAccountFilter = _ALL
    ) -> list[SubAccount]:
        """Raises NotFound (the account)."""
        statement = _listed(account_id, limit, after, wanted)
        async with self._database.snapshot() as connection:
            await accounts.found(connection, account_id)
            return await _with_rooms(connection, (await connection.execute(statement)).mappings().all())

    async def change_sub_account(
        self, sub_account_id: UUID, wanted: SubAccountChanges, expected: int | None = None
    ) -> SubAccount:
        changes = given(wanted)
        async with self._database.transaction() as connection:
            closing = changes.get("state") == State.CLOSED
            if closing:
                await code_space.lock_space_of(connection, await _account_of(connection, sub_account_id))
            row = await row_versions.locked(connection, sub_accounts, sub_account_id, expected, "sub-account")
            before = State(row["state"])
            changes = row_versions.differing(row, changes)
            if changes:
                if before is State.CLOSED:
                    raise Conflict("the sub-account is closed, for good")
                row = await _changed(connection, row, changes)
                if closing:
                    revoked = await code_space.revoke(connection, code_space.in_rooms_of(sub_account_id))
                    await events.passcodes_revoked(connection, row["account_id"], sub_account_id, revoked)
                detail, owner = row_versions.audit_detail(changes), Owner(row["account_id"], sub_account_id)
                await audit.note(connection, "sub_account.changed", "sub_account", sub_account_id, owner, detail)
            after = (await _with_rooms(connection, [row]))[0]
            if changes:
                await events.sub_account_changed(connection, before, after)
            return after

    async def remove_sub_account(self, sub_account_id: UUID, expected: int | None = None) -> None:
        """Delete a sub-account with its rooms, passcodes, known callers, project codes and API keys."""
        used = [
            select(literal(what)).where(select(table).where(table.c.sub_account_id == sub_account_id).exists())
            for what, table in _USED.items()
        ]
        async with self._database.transaction() as connection:
            await code_space.lock_space_of(connection, await _account_of(connection, sub_account_id))
            row = await row_versions.locked(connection, sub_accounts, sub_account_id, expected, "sub-account")
            there = (await connection.execute(union_all(*used))).scalars().all()
            if there:
                raise Conflict(
                    f"only a sub-account that nobody ever called can be deleted: close it; it has {', '.join(there)}"
                )
            await connection.execute(delete(passcodes).where(code_space.in_rooms_of(sub_account_id)))
            for table in _OWNED:
                await connection.execute(delete(table).where(table.c.sub_account_id == sub_account_id))
            await row_versions.deleted(connection, sub_accounts, sub_account_id)
            owner, detail = Owner(row["account_id"], sub_account_id), {"user_id": row["user_id"]}
            await audit.note(connection, "sub_account.removed", "sub_account", sub_account_id, owner, detail)


def _listed(account_id: UUID, limit: int, after: Place | None, wanted: SubAccountFilter) -> Select[Any]:
    at = sub_accounts.c
    statement = select(sub_accounts).where(at.account_id == account_id)
    for name in ("user_id", "kind", "state"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(at[name] == value)
    if wanted.label is None:
        return page(statement, sub_accounts, limit, after)
    labelled = sub_account_labels.c
    key, value = wanted.label
    statement = statement.join(sub_account_labels, labelled.sub_account_id == at.id).where(
        labelled.account_id == account_id, labelled.key == key, labelled.value == value
    )
    if after is not None:
        statement = later(statement, sub_account_labels, *after, by="sub_account_id")
    return statement.order_by(labelled.created_at, labelled.sub_account_id).limit(limit)


def _refuse_user_ids(taken: Sequence[tuple[int, NewSubAccount]]) -> None:
    """Raises InvalidRows for user IDs that are taken, if any are."""
    rows = [(place, "user_id", f"{one.fields.user_id!r} is taken in this account") for place, one in taken]
    if rows:
        raise InvalidRows(rows)


async def _add_rooms(
    connection: AsyncConnection, account_id: UUID, seen: CodeSpace, new: Sequence[NewSubAccount]
) -> list[Room]:
    """Add a room with its codes to each sub-account, and return the rooms in the same order."""
    values: list[dict[str, Any]] = [
        {"id": uuid4(), "account_id": account_id, "sub_account_id": one.id, "name": one.fields.name} for one in new
    ]
    stored = {row["id"]: row for row in await bulk.inserted(connection, rooms, values, *ROOM)}
    placed = [(value["id"], code) for value, one in zip(values, new, strict=True) for code in one.codes]
    added = iter(await code_space.insert(connection, seen, account_id, placed))
    return [
        room_of(stored[value["id"]], [next(added) for _ in one.codes]) for value, one in zip(values, new, strict=True)
    ]


async def _account_of(connection: AsyncConnection, sub_account_id: UUID) -> UUID:
    statement = select(sub_accounts.c.account_id).where(sub_accounts.c.id == sub_account_id)
    found: UUID | None = (await connection.execute(statement)).scalar()
    if found is None:
        raise NotFound(f"there is no sub-account {sub_account_id}")
    return found


async def _changed(connection: AsyncConnection, row: RowMapping, changes: Columns) -> RowMapping:
    try:
        return await row_versions.updated(connection, sub_accounts, row["id"], changes)
    except IntegrityError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        raise Conflict(f"user_id {changes['user_id']!r} is taken in this account", "user_id") from error


async def _with_rooms(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[SubAccount]:
    owned = await of_sub_accounts(connection, [row["id"] for row in rows])
    return [_sub_account(row, owned[row["id"]]) for row in rows]


def _sub_account(row: RowMapping, owned: Sequence[Room]) -> SubAccount:
    return SubAccount(
        id=row["id"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        name=row["name"],
        kind=SubAccountKind(row["kind"]),
        state=State(row["state"]),
        created_at=row["created_at"],
        rooms=tuple(owned),
        cost_centre=row["cost_centre"],
        max_callers=row["max_callers"],
        trust_callers=row["trust_callers"],
        labels=row["labels"],
        version=row["version"],
    )
