"""The advisory locks of the product in one Postgres database: numbers that mean something to nobody else.

The two-part ones are (class, hash of an account, of a space of codes, or of a request).
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
_ANSWERS: Final = 0x6273
_CODES: Final = 0x6274
_IN_TURN: Final = text(
    "SELECT * FROM codes_in_turn(:class, :space, CAST(:account AS uuid), CAST(:room AS uuid), "
    "CAST(:digests AS bytea[]))"
)
_OF_ONE: Final = text("SELECT pg_advisory_xact_lock(:class, hashtext(CAST(:id AS uuid)::text))")


async def writing_codes(connection: AsyncConnection, space: UUID = SHARED) -> None:
    """All that makes or revokes passcodes of a space takes turns, until the transaction ends.

    To be taken before any row that local directories are told of is written: who writes one makes all others wait.
    """
    await connection.execute(_OF_ONE, {"class": _CODES, "id": space})


async def codes_in_turn(connection: AsyncConnection, asked: Mapping[str, object]) -> Row[Any]:
    """The same of `space`, and what is there then: `lengths` with how many live codes have each, those of `digests`
    that are `live`, and whether the `account` or the `room`, or whose it is, is `closed`."""
    return (await connection.execute(_IN_TURN, {"class": _CODES, **asked})).one()


async def writes_codes(connection: AsyncConnection, passcodes: Iterable[UUID]) -> bool:
    """The same of the spaces of these passcodes, if it is this one's turn in all of them; else False, at once."""
    tried = await connection.execute(
        text(
            "SELECT bool_and(pg_try_advisory_xact_lock(:class, key)) FROM "
            "(SELECT DISTINCT hashtext(space::text) AS key FROM passcodes WHERE id = ANY(:ids)) AS keys"
        ),
        {"class": _CODES, "ids": list(passcodes)},
    )
    return tried.scalar() is not False


async def correcting(connection: AsyncConnection) -> None:
    """All that corrects records takes turns, until the transaction ends: nothing is corrected twice."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CORRECTIONS})


async def adding_webhooks(connection: AsyncConnection) -> None:
    """All that adds webhooks takes turns, until the transaction ends: they are counted."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WEBHOOKS})


async def rating(connection: AsyncConnection, accounts: Iterable[UUID]) -> None:
    """The accounts' tariffs stay as they are until the transaction ends."""
    await connection.execute(
        text(
            "SELECT pg_advisory_xact_lock_shared(:class, key) FROM "
            "(SELECT DISTINCT hashtext(id::text) AS key FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY key) AS keys"
        ),
        {"class": _TARIFFS, "ids": list(accounts)},
    )


async def changing_tariff(connection: AsyncConnection, account: UUID) -> None:
    """Nobody rates a stay of the account until the transaction ends."""
    await connection.execute(_OF_ONE, {"class": _TARIFFS, "id": account})


async def answering(connection: AsyncConnection, request: str) -> bool:
    """Nobody else answers a request of that name until the transaction ends; False when somebody does so now."""
    taken = await connection.execute(
        text("SELECT pg_try_advisory_xact_lock(:class, hashtext(:request))"), {"class": _ANSWERS, "request": request}
    )
    return bool(taken.scalar_one())
