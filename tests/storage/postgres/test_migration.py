"""The schema: up, down and up again; the database has what bridge.storage.postgres.tables says."""

import asyncio

import pytest
from sqlalchemy import text

from bridge.domain.errors import Conflict
from bridge.sandbox.postgres import Postgres
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database

LEFT = """
SELECT array_agg(relname::text) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relname NOT LIKE 'alembic%'
"""
FUNCTIONS = "SELECT count(*) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public'"


async def test_up_down_and_up_again_leaves_the_schema_that_the_tables_say(server: Postgres) -> None:
    url = server.create("up_and_down")
    async with Database(url, pool=0) as database:
        with pytest.raises(Conflict, match="is empty, this program needs"):
            await migration.check_current(database)
        await migration.migrate(url)
        async with database.transaction() as connection:
            await connection.execute(text("SELECT ensure_ledger_month('2026-11-01')"))
        await migration.migrate(url, "base")
        async with database.transaction() as connection:
            assert (await connection.execute(text(LEFT))).scalar() is None
            assert (await connection.execute(text(FUNCTIONS))).scalar() == 0
        await migration.migrate(url)
        await migration.check_current(database)


async def test_the_tables_and_the_database_agree_whatever_months_exist(url: str, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("SELECT ensure_ledger_month('2026-11-01'), ensure_ledger_month('2026-12-01')"))
    await migration.check(url)


async def test_two_migrators_take_turns(server: Postgres) -> None:
    url = server.create("raced")
    await asyncio.gather(*(migration.migrate(url) for _ in range(4)))
    async with Database(url, pool=0) as database:
        await migration.check_current(database)
