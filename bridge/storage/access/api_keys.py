"""API keys in Postgres. Every request reads its key there, so that a revoked key fails at once."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.api_key import ApiKey
from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.tenants import State
from bridge.storage.access import audit_log
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.access import api_keys
from bridge.storage.postgres.tables.provisioning import accounts, sub_accounts
from bridge.usecases.access.ports import NewApiKey

_NOTE_USE_EVERY: Final = timedelta(minutes=1)
_COLUMNS: Final = [column for column in api_keys.c if column.name != "digest"]
_NOW: Final = func.clock_timestamp()
_VALID: Final = and_(
    api_keys.c.revoked_at.is_(None), or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > _NOW)
)
_BY_DIGEST: Final = (
    select(
        *(api_keys.c[name] for name in ("id", "scope", "account_id", "sub_account_id", "read_only", "expires_at")),
        accounts.c.state.label("account_state"),
        sub_accounts.c.state.label("sub_account_state"),
        func.coalesce(api_keys.c.last_used_at < _NOW - _NOTE_USE_EVERY, True).label("note_use"),
    )
    .outerjoin(accounts, accounts.c.id == api_keys.c.account_id)
    .outerjoin(sub_accounts, sub_accounts.c.id == api_keys.c.sub_account_id)
    .where(_VALID)
)


class PostgresApiKeys:
    """Implements access_ports.ApiKeys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def principal(self, digest: bytes) -> Principal | None:
        async with self._database.transaction() as connection:
            found = await connection.execute(_BY_DIGEST.where(api_keys.c.digest == digest))
            row = found.mappings().one_or_none()
            if row is None:
                return None
            states = {row["account_state"], row["sub_account_state"]}
            if State.CLOSED in states:
                return None
            if row["note_use"]:
                used = update(api_keys).where(api_keys.c.id == row["id"]).values(last_used_at=_NOW)
                await connection.execute(used)
        return Principal(
            str(row["id"]),
            Scope(row["scope"]),
            row["account_id"],
            row["sub_account_id"],
            row["read_only"] or State.SUSPENDED in states,
            row["expires_at"],
        )

    async def add(self, key: NewApiKey) -> ApiKey:
        async with self._database.transaction() as connection:
            owner = await _owner(connection, key.owner)
            values = {
                "scope": key.scope.value,
                "account_id": owner.account_id,
                "sub_account_id": owner.sub_account_id,
                "name": key.name,
                "read_only": key.read_only,
                "expires_at": key.expires_at,
                "digest": key.digest,
                "hint": key.hint,
            }
            made = await _add(connection, values)
            detail = {"scope": made.scope.value, "name": made.name, "read_only": made.read_only}
            await audit_log.note(connection, "api_key.created", "api_key", made.id, owner, detail)
            return made

    async def key(self, key_id: UUID) -> ApiKey:
        async with self._database.transaction() as connection:
            found = await connection.execute(select(*_COLUMNS).where(api_keys.c.id == key_id))
            return _api_key(_one(found.mappings().one_or_none()))

    async def keys(self, owner: Owner, limit: int, after: UUID | None = None) -> list[ApiKey]:
        statement = select(*_COLUMNS)
        if owner.account_id is not None:
            statement = statement.where(api_keys.c.account_id == owner.account_id)
        if owner.sub_account_id is not None:
            statement = statement.where(api_keys.c.sub_account_id == owner.sub_account_id)
        async with self._database.transaction() as connection:
            found = await connection.execute(page(statement, api_keys, limit, after))
            return [_api_key(row) for row in found.mappings()]

    async def revoke(self, key_id: UUID) -> ApiKey:
        async with self._database.transaction() as connection:
            before = await _locked(connection, key_id)
            if before.revoked_at is not None:
                return before
            after = await _change(connection, key_id, revoked_at=_NOW)
            owner, detail = _owner_of(after), {"name": after.name}
            await audit_log.note(connection, "api_key.revoked", "api_key", key_id, owner, detail)
            return after

    async def rotate(self, key_id: UUID, digest: bytes, hint: str, overlap: timedelta) -> ApiKey:
        async with self._database.transaction() as connection:
            before = await _locked(connection, key_id)
            good = await connection.scalar(select(api_keys.c.id).where(api_keys.c.id == key_id, _VALID))
            if good is None:
                raise Conflict("the key is revoked or has expired: create a new one")
            if overlap:
                await _change(connection, key_id, expires_at=func.least(api_keys.c.expires_at, _NOW + overlap))
            else:
                await _change(connection, key_id, revoked_at=_NOW)
            values = {
                "scope": before.scope.value,
                "account_id": before.account_id,
                "sub_account_id": before.sub_account_id,
                "name": before.name,
                "read_only": before.read_only,
                "expires_at": before.expires_at,
                "digest": digest,
                "hint": hint,
                "replaces": key_id,
            }
            made = await _add(connection, values)
            detail = {"replaces": str(key_id), "overlap_s": int(overlap.total_seconds())}
            await audit_log.note(connection, "api_key.rotated", "api_key", made.id, _owner_of(made), detail)
            return made


async def _owner(connection: AsyncConnection, wanted: Owner) -> Owner:
    """Complete an owner by the account of its sub-account. Raises NotFound, Conflict (it is closed)."""
    if wanted.sub_account_id is not None:
        statement = (
            select(sub_accounts.c.account_id, sub_accounts.c.state, accounts.c.state)
            .join(accounts, accounts.c.id == sub_accounts.c.account_id)
            .where(sub_accounts.c.id == wanted.sub_account_id)
        )
        if wanted.account_id is not None:
            statement = statement.where(sub_accounts.c.account_id == wanted.account_id)
    elif wanted.account_id is not None:
        statement = select(accounts.c.id, accounts.c.state).where(accounts.c.id == wanted.account_id)
    else:
        return wanted
    row = _one((await connection.execute(statement)).one_or_none())
    if State.CLOSED in row[1:]:
        raise Conflict("a closed account gets no key")
    return Owner(row[0], wanted.sub_account_id)


async def _locked(connection: AsyncConnection, key_id: UUID) -> ApiKey:
    found = await connection.execute(select(*_COLUMNS).where(api_keys.c.id == key_id).with_for_update())
    return _api_key(_one(found.mappings().one_or_none()))


async def _add(connection: AsyncConnection, values: dict[str, Any]) -> ApiKey:
    made = await connection.execute(insert(api_keys).values({**values, "id": uuid4()}).returning(*_COLUMNS))
    return _api_key(made.mappings().one())


async def _change(connection: AsyncConnection, key_id: UUID, **values: Any) -> ApiKey:
    changing = update(api_keys).where(api_keys.c.id == key_id).values(values).returning(*_COLUMNS)
    return _api_key((await connection.execute(changing)).mappings().one())


def _one(row: Any) -> Any:
    if row is None:
        raise NotFound("there is no such owner or key")
    return row


def _owner_of(key: ApiKey) -> Owner:
    return Owner(key.account_id, key.sub_account_id)


def _api_key(row: RowMapping) -> ApiKey:
    return ApiKey(**{**row, "scope": Scope(row["scope"])})
