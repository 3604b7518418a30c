"""The stock of expected openings in Postgres, which nodes draw their lots from."""

from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from bridge.domain.admission.bucket import Bucket, BucketPolicy
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.admission import guess_stock

_THE_ROW: Final = guess_stock.c.id == 1


class PostgresGuessStock:
    """Implements admission_ports.GuessStock. Its time is that of Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def draw(self, most: float, policy: BucketPolicy) -> float:
        now = func.clock_timestamp()
        first = insert(guess_stock).values(id=1, share=1.0, at=now).on_conflict_do_nothing()
        async with self._database.transaction() as connection:
            await connection.execute(first)
            locked = select(guess_stock.c.share, guess_stock.c.at).where(_THE_ROW).with_for_update()
            row = (await connection.execute(locked)).one()
            instant = (await connection.execute(select(now))).scalar_one()
            stock = Bucket(row.share * policy.burst, row.at.timestamp()).filled(policy, instant.timestamp())
            # A node takes half of what is there at most: others need theirs at the same moment.
            drawn = max(0.0, min(most, stock.level / 2))
            values = {"share": (stock.level - drawn) / policy.burst, "at": instant}
            await connection.execute(update(guess_stock).where(_THE_ROW).values(values))
        return drawn
