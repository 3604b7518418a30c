"""The embedded Postgres: up, down, killed, frozen, two at once."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import asyncpg
import pytest

from bridge.sandbox import postgres
from bridge.sandbox.host import processes
from bridge.sandbox.postgres import Postgres


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    """A Postgres that is up."""
    here = postgres.at(tmp_path)
    try:
        here.start()
        yield here
    finally:
        here.remove()


async def ask(url: str, question: str) -> object:
    """One value, by a new connection."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_what_was_committed_outlives_kill_9_and_a_restart(database: Postgres) -> None:
    await ask(database.url, "create table t as select 7 as x")
    before = database.process
    assert before is not None
    database.kill()
    assert not before.alive()
    assert not database.accepts()
    database.start()
    assert await ask(database.url, "select x from t") == 7
    database.restart()
    assert await ask(database.url, "select x from t") == 7
    assert await ask(database.url, "show fsync") == "on"
    assert await ask(database.url, "show listen_addresses") == ""


async def test_two_side_by_side_share_nothing(tmp_path: Path) -> None:
    pair = [postgres.at(folder) for name in "ab" if (folder := tmp_path / name).mkdir() is None]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Postgres.start, pair))
        await ask(pair[0].url, "create table only_here (x int)")
        assert await ask(pair[1].url, "select to_regclass('only_here')") is None
        pair[0].stop()
        assert not pair[0].accepts()
        assert await ask(pair[1].url, "select 1") == 1
    finally:
        for each in pair:
            each.remove()


def test_one_that_is_frozen_for_a_moment_is_waited_for(database: Postgres) -> None:
    process = database.process
    assert process is not None
    process.send(signal.SIGSTOP)
    thaw = Timer(1.0, process.send, [signal.SIGCONT])
    thaw.start()
    try:
        database.start()
    finally:
        thaw.cancel()
        process.send(signal.SIGCONT)
    assert database.process == process


def test_stop_leaves_no_process_even_of_a_frozen_one(database: Postgres) -> None:
    data = database.home / "data"
    for process in processes.within(data):
        process.send(signal.SIGSTOP)
    database.stop()
    assert processes.within(data) == []


def test_its_folder_is_nobody_elses(database: Postgres) -> None:
    assert database.home.stat().st_mode & 0o077 == 0
    if os.geteuid() == 0:
        assert database.home.stat().st_uid != 0
