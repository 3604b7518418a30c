"""Connections to Postgres: one pool with transactions on it, and dedicated connections beside it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from bridge.storage.postgres import url as postgres_url
from bridge.storage.postgres.errors import translated

CONNECT_S: Final = 5.0
COMMAND_S: Final = 30.0
BUSY_S: Final = 10.0
SEPARATE: Final = 2
"""Connections for separate transactions."""
_SESSION: Final = {
    "timezone": "UTC",
    "jit": "off",
    # A daemon that lost its network must not keep its locks: the server notices within 30 s (10 + 4 × 5).
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "idle_in_transaction_session_timeout": "60s",
}


IDLE_S: Final = 1.0
"""A connection of the pool that was idle for longer is pinged before it is used."""
_UNIT_OF_WORK: ContextVar[AsyncConnection | None] = ContextVar("unit of work", default=None)


class Database:
    """A pool of connections to one Postgres, made on demand.

    `application` names the connections in pg_stat_activity. `pool` is the number of connections that are kept (twice as
    many may be open); 0 keeps none. A statement may take `command_s` seconds.
    Raises Invalid for a bad URL. Every method raises Unavailable if Postgres is away.
    """

    def __init__(
        self, url: str, application: str = "bridge", pool: int = 8, command_s: float | None = COMMAND_S
    ) -> None:
        self.url = postgres_url.parse(url)
        self._application = application
        self._command_s = command_s
        self._engine = self._pool_of(pool, pool)
        # Whoever waits for one of these holds one of the others, so that they must be a pool of their own.
        self._separate = self._pool_of(min(pool, SEPARATE), 0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Run a block in a transaction: it commits when the block ends, and is rolled back if the block raises.

        Within `unit_of_work` it is a savepoint: rolled back by itself, committed with the unit of work.
        """
        outer = _UNIT_OF_WORK.get()
        with translated(self.url):
            if outer is None:
                async with self._engine.begin() as connection:
                    yield connection
            else:
                async with outer.begin_nested():
                    yield outer

    @asynccontextmanager
    async def same_transaction(self) -> AsyncIterator[AsyncConnection]:
        """Within `unit_of_work`, give its own connection, without a savepoint; elsewhere, do as `transaction`.

        It saves two statements of a round trip each. There is no way to roll back only this part: a failure after a
        write must make the whole unit of work fail.
        """
        outer = _UNIT_OF_WORK.get()
        if outer is None:
            async with self.transaction() as connection:
                yield connection
        else:
            with translated(self.url):
                yield outer

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[None]:
        """Run a block as one transaction around all those of this task in it: all of them commit, or none.

        Within another unit of work it is a savepoint of that one.
        """
        if _UNIT_OF_WORK.get() is not None:
            async with self.transaction():
                yield
            return
        with translated(self.url):
            async with self._engine.begin() as connection:
                token = _UNIT_OF_WORK.set(connection)
                try:
                    yield
                finally:
                    _UNIT_OF_WORK.reset(token)

    @asynccontextmanager
    async def separate_transaction(self) -> AsyncIterator[AsyncConnection]:
        """Run a block in a transaction on a connection of its own: it commits even if the unit of work around it
        fails.

        The block must be short, and not open another one.
        """
        with translated(self.url):
            async with self._separate.begin() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Run a block that only reads, everything as of one instant.

        Within `unit_of_work` it reads in that transaction.
        """
        outer = _UNIT_OF_WORK.get()
        with translated(self.url):
            if outer is not None:
                yield outer
                return
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def connection(self, application: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open a connection outside the pool, for LISTEN, session locks and streams.

        It is closed when the block ends.
        """
        with translated(self.url):
            connection = await self._connect(application)
            try:
                yield connection
            finally:
                connection.terminate()

    async def close(self) -> None:
        """Close all connections of the pool."""
        await self._engine.dispose()
        await self._separate.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _pool_of(self, kept: int, more: int) -> AsyncEngine:
        """Make a pool of `kept` connections and up to `more` others; 0 keeps none, and limits none."""
        sized = {"pool_size": kept, "max_overflow": more, "pool_timeout": BUSY_S} if kept else {"poolclass": NullPool}
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self._connected, hide_parameters=True, **sized
        )
        if kept:
            _check_idle(engine)
        return engine

    async def _connected(self, *_: object, **__: object) -> "asyncpg.Connection[asyncpg.Record]":
        return await self._connect(self._application)

    async def _connect(self, application: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            dsn=self.url.dsn,
            timeout=CONNECT_S,
            command_timeout=self._command_s,
            server_settings={**_SESSION, "application_name": application},
        )


def _check_idle(engine: AsyncEngine) -> None:
    """Make the pool replace connections that were closed, or were idle for IDLE_S and don't answer a ping.

    A connection that was just in use is not pinged: that would cost each transaction one more round trip.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def put_back(_: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) > IDLE_S:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:
                raise DisconnectionError from error
