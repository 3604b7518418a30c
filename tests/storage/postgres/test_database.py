"""Errors of a Postgres that does not answer: each becomes one clear line."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.domain.errors import Invalid, Unavailable
from bridge.sandbox.postgres import Postgres
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database


async def complaint(url: str) -> str:
    """Return the error of a database at `url` that can't be used; pool and dedicated connections must agree on it."""
    async with Database(url) as database:
        with pytest.raises(Unavailable) as pooled:
            await PostgresLedger(database).resume("node1")
        with pytest.raises(Unavailable) as alone:
            async with database.connection("test") as connection:
                await connection.execute("SELECT * FROM journal_positions")
    assert str(pooled.value) == str(alone.value)
    assert "s3cr3t" not in str(pooled.value)
    return str(pooled.value)


async def test_nothing_listens_there() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        said = await complaint(f"postgresql://bridge:s3cr3t@127.0.0.1:{port}/bridge")
    assert said.startswith(f"Postgres at 127.0.0.1:{port} can't be reached (")
    assert "BRIDGE_DATABASE_URL" in said


async def test_no_socket_there(tmp_path: Path) -> None:
    said = await complaint(f"postgresql://bridge:s3cr3t@/bridge?host={tmp_path}")
    assert f"Postgres at {tmp_path}/.s.PGSQL.5432 can't be reached (" in said


async def test_no_such_name() -> None:
    assert "no-such-host.invalid:5432 can't be reached" in await complaint(
        "postgresql://b:s3cr3t@no-such-host.invalid/b"
    )


async def test_no_such_database(server: Postgres) -> None:
    assert "has no database 'nothing': create it" in await complaint(server.url_of("nothing"))


async def test_no_schema_yet(server: Postgres) -> None:
    assert "run `bridge migrate`" in await complaint(server.url_of("postgres"))


async def test_wrong_user(server: Postgres) -> None:
    said = await complaint(f"postgresql://stranger:s3cr3t@/bridge?host={server.home}")
    assert "does not let user 'stranger' in" in said


async def test_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.storage.postgres.database.CONNECT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        said = await complaint(f"postgresql://bridge@/bridge?host={tmp_path}")
    assert "does not answer in time" in said


async def test_a_connection_that_is_lost_in_a_transaction_and_the_pool_recovers(url: str) -> None:
    async with Database(url) as database:
        with pytest.raises(Unavailable):
            async with database.transaction() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_backend_pid()"))
        async with database.connection("killer") as killer:
            others = "pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
            await killer.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
        async with database.transaction() as connection:
            assert (await connection.execute(text("SHOW timezone"))).scalar() == "UTC"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u@h/d", "postgresql://u:s3cr3t@h:port/d", "postgresql://u:s3cr3t@[::1/d"]
)
def test_no_url_at_all(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        Database(url)
    assert refused.value.field == "BRIDGE_DATABASE_URL"
    assert "s3cr3t" not in str(refused.value)
