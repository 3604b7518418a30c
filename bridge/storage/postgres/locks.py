"""The advisory locks of the product in one Postgres database. Each is held until the transaction ends.

Advisory locks serve where no row can be locked: what must not be written twice may not exist yet. The numbers are our
own; "bridg" in ASCII begins those of 64 bits. Locks in two parts are (class, hash of an account's, a code space's or a
request's id); two ids with the same hash only wait for each other.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.storage.postgres.tables.provisioning import SHARED

MIGRATION: Final = 0x627269646701
NODE: Final = 0x627269646703
CORRECTIONS: Final = 0x627269646704
WEBHOOKS: Final = 0x627269646777
_TARIFFS: Final = 0x6272
_REQUESTS: Final = 0x6273
_CODE_SPACES: Final = 0x6274
_LOCK_AND_READ: Final = text(
    "SELECT * FROM codes_in_turn(:class, :space, CAST(:account AS uuid), CAST(:room AS uuid), "
    "CAST(:digests AS bytea[]))"
)
_LOCK_ONE: Final = text("SELECT pg_advisory_xact_lock(:class, hashtext(CAST(:id AS uuid)::text))")


async def lock_code_space(connection: AsyncConnection, space: UUID = SHARED) -> None:
    """Wait until no other transaction creates or revokes passcodes of this code space.

    One writer at a time keeps the space prefix-free: no unique index can hold that rule. Take this lock before writing
    any row whose change is numbered for local directories, since the counter of changes is locked from then on, and all
    other writers wait for it.
    """
    await connection.execute(_LOCK_ONE, {"class": _CODE_SPACES, "id": space})


async def lock_and_read_code_space(connection: AsyncConnection, asked: Mapping[str, object]) -> Row[Any]:
    """Take the lock of `space`, and read its state under it, in one round trip.

    Returns `lengths` (live codes by length), `live` (those of `digests` that are live) and `closed` (True if the
    `account`, the `room` or an owner of it is closed).
    """
    return (await connection.execute(_LOCK_AND_READ, {"class": _CODE_SPACES, **asked})).one()


async def try_lock_code_spaces(connection: AsyncConnection, passcodes: Iterable[UUID]) -> bool:
    """Try to lock the code spaces of these passcodes. Return False, without waiting, if one of them is taken."""
    tried = await connection.execute(
        text(
            "SELECT bool_and(pg_try_advisory_xact_lock(:class, key)) FROM "
            "(SELECT DISTINCT hashtext(space::text) AS key FROM passcodes WHERE id = ANY(:ids)) AS keys"
        ),
        {"class": _CODE_SPACES, "ids": list(passcodes)},
    )
    return tried.scalar() is not False


async def lock_corrections(connection: AsyncConnection) -> None:
    """Wait until no other transaction corrects records, so that none is corrected twice."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CORRECTIONS})


async def lock_webhook_count(connection: AsyncConnection) -> None:
    """Wait until no other transaction adds webhooks, so that the limit of an account can be counted."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WEBHOOKS})


async def lock_tariffs_for_rating(connection: AsyncConnection, accounts: Iterable[UUID]) -> None:
    """Keep the tariffs of these accounts as they are. Others may rate at the same time; the lock is shared."""
    await connection.execute(
        text(
            "SELECT pg_advisory_xact_lock_shared(:class, key) FROM "
            "(SELECT DISTINCT hashtext(id::text) AS key FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY key) AS keys"
        ),
        {"class": _TARIFFS, "ids": list(accounts)},
    )


async def lock_tariff_for_change(connection: AsyncConnection, account: UUID) -> None:
    """Wait until no other transaction rates stays of the account, and keep others from beginning to."""
    await connection.execute(_LOCK_ONE, {"class": _TARIFFS, "id": account})


async def try_lock_request(connection: AsyncConnection, request: str) -> bool:
    """Try to become the only one who carries out the request of that name. Return False if another does so now."""
    taken = await connection.execute(
        text("SELECT pg_try_advisory_xact_lock(:class, hashtext(:request))"), {"class": _REQUESTS, "request": request}
    )
    return bool(taken.scalar_one())
