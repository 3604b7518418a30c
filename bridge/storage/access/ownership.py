"""Owners of everything that an id can name in a request. They are looked up here alone."""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, bindparam, null, select
from sqlalchemy.dialects.postgresql import ARRAY

from bridge.domain.access.principal import Owner
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import api_keys
from bridge.storage.postgres.tables.provisioning import (
    access_numbers,
    accounts,
    known_callers,
    passcodes,
    project_codes,
    rooms,
    sub_accounts,
)
from bridge.storage.postgres.tables.webhooks import webhook_deliveries, webhooks

_NONE: Final = null()
_LOOK_UPS: Final[Mapping[str, Select[Any]]] = {
    kind: select(key, account, sub_account).select_from(source).where(key == any_(bindparam("ids", type_=ARRAY(Uuid))))
    for kind, key, account, sub_account, source in (
        ("account_id", accounts.c.id, accounts.c.id, _NONE, accounts),
        ("sub_account_id", sub_accounts.c.id, sub_accounts.c.account_id, sub_accounts.c.id, sub_accounts),
        ("room_id", rooms.c.id, rooms.c.account_id, rooms.c.sub_account_id, rooms),
        (
            "passcode_id",
            passcodes.c.id,
            passcodes.c.account_id,
            rooms.c.sub_account_id,
            passcodes.join(rooms, rooms.c.id == passcodes.c.room_id),
        ),
        ("access_number_id", access_numbers.c.id, access_numbers.c.account_id, _NONE, access_numbers),
        (
            "project_code_id",
            project_codes.c.id,
            project_codes.c.account_id,
            project_codes.c.sub_account_id,
            project_codes,
        ),
        (
            "known_caller_id",
            known_callers.c.id,
            known_callers.c.account_id,
            known_callers.c.sub_account_id,
            known_callers,
        ),
        ("key_id", api_keys.c.id, api_keys.c.account_id, api_keys.c.sub_account_id, api_keys),
        ("webhook_id", webhooks.c.id, webhooks.c.account_id, _NONE, webhooks),
        (
            "delivery_id",
            webhook_deliveries.c.id,
            webhooks.c.account_id,
            _NONE,
            webhook_deliveries.join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id),
        ),
    )
}


class PostgresOwnership:
    """Implements access_ports.Ownership."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owners(self, kind: str, ids: Collection[UUID]) -> Mapping[UUID, Owner]:
        async with self._database.snapshot() as connection:
            found = await connection.execute(_LOOK_UPS[kind], {"ids": list(ids)})
            return {row[0]: Owner(row[1], row[2]) for row in found}
