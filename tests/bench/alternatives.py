"""Alternatives that an operator would build to bring a caller into a room: dialplan with FastAGI or `func_odbc`.

Each alternative is an extension of the sandbox's own Asterisk. All have the product's prompt, rooms' profiles and
journal, and one table with the digits of a passcode and the name of a room.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy.engine import make_url

from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports, processes, sockets
from bridge.sandbox.host.processes import Process
from bridge.sandbox.host.system import Package
from bridge.sandbox.node import Node
from tests.bench import fastagi

CONNECTIONS: Final = 20
"""The most connections of `func_odbc`."""
LAST_RULES: Final = " same => n,ConfBridge(${ROOM},room,guest,guest_menu)\n same => n,Hangup()\n"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way into a room. `rules` lead from the digits in CODE to the room in ROOM; `modules` are those it needs."""

    name: str
    label: str
    number: str
    rules: str
    modules: tuple[str, ...] = ()

    def extension(self, length: int) -> str:
        """Its dialplan for codes of `length` digits."""
        return (
            f"exten => {self.number},1,Answer()\n same => n,Read(CODE,hello&conf-getpin,{length})\n"
            f"{self.rules}{LAST_RULES}"
        )


def alternatives(fastagi_port: int) -> tuple[Alternative, ...]:
    """All alternatives. The first looks nothing up: no product can be faster than this floor."""
    return (
        Alternative("baseline", "Read() alone", "7000", " same => n,Set(ROOM=${CODE})\n"),
        Alternative(
            "fastagi",
            "Read() + FastAGI",
            "7001",
            f" same => n,AGI(agi://127.0.0.1:{fastagi_port}/,${{CODE}})\n",
            ("res_speech.so", "res_agi.so"),
        ),
        Alternative(
            "odbc",
            "Read() + func_odbc",
            "7002",
            " same => n,Set(ROOM=${ODBC_ROOM(${CODE})})\n",
            ("res_odbc.so", "res_odbc_transaction.so", "func_odbc.so"),
        ),
    )


def configure(asterisk: Node, ways: Sequence[Alternative], length: int, database_url: str) -> None:
    """Add the alternatives to the configuration of an Asterisk that starts later in this process's environment."""
    etc, modules = asterisk.etc, ["app_read.so", *(module for way in ways for module in way.modules)]
    asterisk.let_load(*modules)
    with (etc / "extensions.conf").open("a") as file:
        file.write("\n[bridge-in](+)\n" + "".join(way.extension(length) for way in ways))
    with (etc / "modules.conf").open("a") as file:
        for module in modules:
            file.write(f"require = {module}\n")
    _configure_odbc(etc, database_url)


def _configure_odbc(etc: Path, database_url: str) -> None:
    url = make_url(database_url)
    host = url.host or url.query.get("host") or "/var/run/postgresql"
    (etc / "odbc.ini").write_text(
        # A path as Servername is the folder of a unix socket.
        f"[bench]\nDriver = {_driver()}\nServername = {host}\nPort = {url.port or 5432}\nDatabase = {url.database}\n"
        f"Username = {url.username or ''}\nPassword = {url.password or ''}\nReadOnly = 0\n"
    )
    (etc / "odbcinst.ini").touch()
    # unixODBC has no other way to be led to its files.
    os.environ["ODBCSYSINI"] = str(etc)
    os.environ["ODBCINI"] = str(etc / "odbc.ini")
    (etc / "res_odbc.conf").write_text(
        f"[bench]\nenabled => yes\ndsn => bench\nusername => {url.username or ''}\npassword => {url.password or ''}\n"
        f"pre-connect => yes\nmax_connections => {CONNECTIONS}\n"
    )
    (etc / "func_odbc.conf").write_text(
        "[ROOM]\ndsn = bench\nreadsql = SELECT room FROM comparison.passcodes WHERE digits = '${SQL_ESC(${ARG1})}'\n"
    )


async def fill(database_url: str, rooms_by_code: dict[str, str]) -> None:
    """Make the alternatives' table: the digits of each passcode, and the room that it opens."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "CREATE SCHEMA IF NOT EXISTS comparison; DROP TABLE IF EXISTS comparison.passcodes; "
            "CREATE TABLE comparison.passcodes (digits text PRIMARY KEY, room text NOT NULL)"
        )
        await connection.executemany("INSERT INTO comparison.passcodes VALUES ($1, $2)", list(rooms_by_code.items()))
        await connection.execute("ANALYZE comparison.passcodes")
    finally:
        await connection.close()


@contextmanager
def fastagi_server(port: int, database_url: str, log: Path) -> Iterator[Process]:
    """The FastAGI server, for the length of a block. Raises SandboxError when it does not listen after 10 s."""
    environment = {**os.environ, fastagi.DATABASE_URL: database_url}
    process = processes.spawn([sys.executable, "-m", fastagi.__name__, "--port", str(port)], environment, log)
    try:
        if not processes.wait_until(lambda: ("tcp", port) in sockets.bound(process), 10.0):
            raise SandboxError(f"The FastAGI server does not listen on port {port}; its log is {log}.")
        yield process
    finally:
        process.stop(5.0)


@contextmanager
def free_port() -> Iterator[int]:
    """A TCP port of loopback that no sandbox takes meanwhile."""
    with ports.claim(2) as claim:
        yield claim.first


def for_odbc() -> list[Package]:
    """The Debian packages that `func_odbc` needs to reach Postgres; unixODBC's libraries come with them."""
    return [Package("odbc-postgresql", "func_odbc reaches Postgres through it", _find_driver() is not None)]


def _driver() -> Path:
    driver = _find_driver()
    if driver is None:
        raise SandboxError("psqlodbcw.so is missing: install it with `apt-get install odbc-postgresql`.")
    return driver


def _find_driver() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("**/odbc/psqlodbcw.so"))), None)
