"""Postgres, for the commands that must work while the daemon does not run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from bridge import settings
from bridge.domain.errors import Conflict, NotFound
from bridge.domain.provisioning.tenants import Account
from bridge.storage import keys
from bridge.storage.billing.own_calls import PostgresOwnCalls
from bridge.storage.directory import key_check
from bridge.storage.metering.audit import PostgresLedgerAudit
from bridge.storage.metering.incidents import PostgresIncidents
from bridge.storage.metering.unassigned import PostgresUnassignedRecords
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning.ports import Keys, Place

Result = TypeVar("Result")
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Repositories:
    """The repositories that these commands use, on one connection.

    Within `atomically`, all that they change is one transaction.
    """

    database: Database
    tenants: PostgresTenants
    calls: PostgresOwnCalls
    audit: PostgresLedgerAudit
    unassigned: PostgresUnassignedRecords
    incidents: PostgresIncidents
    webhooks: PostgresWebhooks
    atomically: Callable[[], AbstractAsyncContextManager[None]]

    async def keys(self) -> Keys:
        """The keys that seal passcodes. A command that does not use them needs no BRIDGE_PASSCODE_KEY.

        Raises Conflict if they are not those of the installation.
        """
        ring = configured_keys()
        await key_check.confirm(self.database, ring)
        return ring


def configured_keys() -> Keys:
    """The keys that the settings give, right or wrong."""
    return keys.derive(*settings.load(settings.Settings).passcode_secrets)


def run(work: Callable[[Repositories], Awaitable[Result]]) -> Result:
    """Run `work` against the database that the settings name. Raises BridgeError."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[Repositories], Awaitable[Result]]) -> Result:
    chosen = settings.load(settings.DatabaseSettings)
    async with Database(chosen.database_url.get_secret_value(), "bridge command", pool=1) as database:
        await migration.check_current(database)
        return await work(
            Repositories(
                database,
                PostgresTenants(database, chosen.code_lengths),
                PostgresOwnCalls(database),
                PostgresLedgerAudit(database),
                PostgresUnassignedRecords(database),
                PostgresIncidents(database),
                PostgresWebhooks(database),
                database.unit_of_work,
            )
        )


async def account(repositories: Repositories, id_or_name: str) -> Account:
    """Return the account with this id, or the only one with this name. Raises NotFound, Conflict."""
    try:
        account_id = UUID(id_or_name)
    except ValueError:
        return await _account_named(repositories, id_or_name)
    return await repositories.tenants.account(account_id)


async def sub_account_id(repositories: Repositories, account_id: UUID, id_or_user_id: str) -> UUID:
    """Return the id of the account's sub-account with this id or user ID. Raises NotFound."""
    items = await list_all(lambda limit, after: repositories.tenants.sub_accounts(account_id, limit, after))
    for one in items:
        if id_or_user_id in (str(one.id), one.user_id):
            found: UUID = one.id
            return found
    raise NotFound(f"there is no sub-account {id_or_user_id!r} in this account: see `bridge sub-account list`")


async def list_all(page: Callable[[int, Place | None], Awaitable[list[Any]]]) -> list[Any]:
    """Return all items of a list, read page by page."""
    items: list[Any] = []
    while True:
        found = await page(PAGE, (items[-1].created_at, items[-1].id) if items else None)
        items += found
        if len(found) < PAGE:
            return items


async def _account_named(repositories: Repositories, name: str) -> Account:
    accounts: list[Account] = await list_all(repositories.tenants.accounts)
    found = [one for one in accounts if one.name == name]
    if len(found) > 1:
        raise Conflict(f"{len(found)} accounts are named {name!r}: give the id of one, see `bridge account list`")
    if not found:
        raise NotFound(f"there is no account named {name!r}: see `bridge account list`")
    return found[0]
