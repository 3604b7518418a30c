"""SIP trunks."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import any_, func, insert, literal, select, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning import trunk as trunk_rules
from bridge.domain.provisioning.changes import TrunkChanges, TrunkFields, given
from bridge.domain.provisioning.trunk import Codec, Dtmf, NumberForm, NumberSource, SessionTimers, Transport, Trunk
from bridge.storage.access import audit_log
from bridge.storage.postgres import row_versions
from bridge.storage.postgres.errors import UNIQUE_VIOLATION, sqlstate
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.row_versions import Columns
from bridge.storage.postgres.tables.provisioning import access_numbers, trunks
from bridge.storage.provisioning.repository import Repository
from bridge.usecases.provisioning.ports import Place, SealedTrunk

_INSTALLATION: Final = Owner()
_LISTS: Final = ("addresses", "codecs", "media_networks")
# Trunks are few and seldom changed. Whoever changes one must see all others, since no two may share an address.
_LOCK: Final = text("LOCK TABLE trunks IN SHARE ROW EXCLUSIVE MODE")


class PostgresTrunks(Repository):
    """Implements the trunks of provisioning_ports.Tenants."""

    async def add_trunk(self, fields: TrunkFields, password_sealed: bytes | None) -> Trunk:
        values = _columns(given(fields), password_sealed)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            result = await _unique(
                connection, insert(trunks).values(id=uuid4(), **values).returning(trunks), fields.name
            )
            made = _trunk(result)
            await _check(connection, made)
            await _note(connection, "created", made, values)
            return made

    async def trunk(self, trunk_id: UUID) -> Trunk:
        async with self._database.snapshot() as connection:
            row = (await connection.execute(select(trunks).where(trunks.c.id == trunk_id))).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no trunk {trunk_id}")
        return _trunk(row)

    async def trunks(self, limit: int, after: Place | None = None) -> list[Trunk]:
        async with self._database.snapshot() as connection:
            result = await connection.execute(page(select(trunks), trunks, limit, after))
            return [_trunk(row) for row in result.mappings()]

    async def change_trunk(
        self, trunk_id: UUID, wanted: TrunkChanges, password_sealed: bytes | None, expected: int | None = None
    ) -> Trunk:
        changes = _columns(given(wanted), password_sealed)
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            row = await row_versions.locked(connection, trunks, trunk_id, expected, "trunk")
            changes = row_versions.differing(row, changes)
            if changes:
                row = await _updated(connection, trunk_id, changes)
                await _check(connection, _trunk(row))
                await _note(connection, "changed", _trunk(row), changes)
            return _trunk(row)

    async def remove_trunk(self, trunk_id: UUID, expected: int | None = None) -> None:
        numbers = select(access_numbers.c.number).where(literal(trunk_id) == any_(access_numbers.c.trunk_ids))
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            row = await row_versions.locked(connection, trunks, trunk_id, expected, "trunk")
            # This waits for whoever is about to name the trunk; what they committed is seen by the next statement.
            await row_versions.deleted(connection, trunks, trunk_id)
            used = (await connection.execute(numbers.order_by(access_numbers.c.number).limit(3))).scalars().all()
            if used:
                raise Conflict(
                    f"access number {', '.join(used)} comes by this trunk: change or delete the number first",
                    "trunk_ids",
                )
            await _note(connection, "removed", _trunk(row), {})

    async def sealed_trunks(self) -> list[SealedTrunk]:
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(select(trunks).order_by(trunks.c.created_at, trunks.c.id))).mappings()
            return [SealedTrunk(_trunk(row), row["password_sealed"]) for row in rows]


async def check_there(connection: AsyncConnection, trunk_ids: Sequence[UUID]) -> None:
    """Raises NotFound for the first of some trunks that is not there. The others stay until the transaction ends."""
    if not trunk_ids:
        return
    statement = select(trunks.c.id).where(trunks.c.id.in_(trunk_ids)).with_for_update(key_share=True, read=True)
    there = set((await connection.execute(statement)).scalars())
    missing = [each for each in trunk_ids if each not in there]
    if missing:
        raise NotFound(f"there is no trunk {missing[0]}")


def _columns(values: dict[str, Any], password_sealed: bytes | None) -> dict[str, Any]:
    """The columns of fields: lists as Postgres has them, the password sealed; None deletes it."""
    columns = {name: list(value) if name in _LISTS else value for name, value in values.items() if name != "password"}
    return {**columns, "password_sealed": password_sealed} if "password" in values else columns


async def _unique(connection: AsyncConnection, statement: Any, name: str) -> RowMapping:
    try:
        row: RowMapping = (await connection.execute(statement)).mappings().one()
    except IntegrityError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        raise Conflict(f"trunk {name!r} is there already", "name") from error
    return row


async def _updated(connection: AsyncConnection, trunk_id: UUID, changes: Columns) -> RowMapping:
    values = {**changes, "version": trunks.c.version + 1, "updated_at": func.clock_timestamp()}
    statement = trunks.update().where(trunks.c.id == trunk_id).values(values).returning(trunks)
    return await _unique(connection, statement, str(changes.get("name")))


async def _check(connection: AsyncConnection, made: Trunk) -> None:
    """Check a trunk by itself and beside all others. Raises Invalid, Conflict."""
    trunk_rules.check(made)
    others = (await connection.execute(select(trunks).where(trunks.c.id != made.id))).mappings()
    for other in map(_trunk, others):
        address = trunk_rules.shared(made, other)
        if address is not None:
            raise Conflict(f"{address} is of trunk {other.name!r} already: a call must have one trunk", "addresses")


async def _note(connection: AsyncConnection, what: str, made: Trunk, changes: Columns) -> None:
    detail = {"name": made.name, **row_versions.audit_detail(changes)}
    await audit_log.note(connection, f"trunk.{what}", "trunk", made.id, _INSTALLATION, detail)


def _trunk(row: RowMapping) -> Trunk:
    plain = ("id", "name", "created_at", "registrar", "username", "srtp", "prefix", "country", "trust_identity")
    more = ("record_private", "rtp_symmetric", "reliable_provisional", "public_address", "max_calls", "max_dialogues")
    return Trunk(
        **{name: row[name] for name in (*plain, *more, "version")},
        addresses=tuple(row["addresses"]),
        has_password=row["password_sealed"] is not None,
        transport=Transport(row["transport"]),
        codecs=tuple(map(Codec, row["codecs"])),
        dtmf=Dtmf(row["dtmf"]),
        number_form=NumberForm(row["number_form"]),
        number_source=NumberSource(row["number_source"]),
        media_networks=tuple(row["media_networks"]),
        session_timers=SessionTimers(row["session_timers"]),
    )
