"""A process that delivers webhooks from a database until it is killed: `python -m tests.webhooks.sender URL SECRET`.

Its lease is short, so that what it held is soon another's.
"""

import asyncio
import sys
from datetime import timedelta

from bridge.storage import keys
from bridge.storage.postgres.database import Database
from bridge.storage.webhooks.deliveries import PostgresDeliveries
from bridge.webhooks.deliverer import Deliverer

LEASE = timedelta(seconds=1)


async def send(url: str, secret: str) -> None:
    async with Database(url) as database:
        await Deliverer(PostgresDeliveries(database, LEASE), keys.derive(secret).unseal, private=True).run()


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
