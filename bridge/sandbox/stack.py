"""A sandbox: the whole product running privately in one folder, with its own Postgres, Asterisk and daemon."""

import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bridge.sandbox import asterisk_tree, daemon, environment, identity, node, postgres, private_folder
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import processes
from bridge.sandbox.host.processes import Process
from bridge.sandbox.host.sockets import HAS_IPV6
from bridge.sandbox.host.system import Say
from bridge.sandbox.identity import SandboxIdentity
from bridge.sandbox.node import Node
from bridge.sandbox.postgres import Postgres

Part = Literal["postgres", "asterisk", "daemon"]
ALL: tuple[Part, ...] = ("postgres", "asterisk", "daemon")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of a sandbox: its pid if it runs, and a few words about it."""

    part: Part
    pid: int | None
    about: str


class Sandbox:
    """The sandbox in `folder`. Nothing is started or written before `up`."""

    def __init__(
        self,
        folder: Path = Path(".sandbox"),
        say: Say = print,
        name: str = "sandbox",
        settings: Mapping[str, str] | None = None,
        daemon_settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a sandbox.

        `say` receives a line for each step. `name` is the node's name. `settings` are `BRIDGE_*` variables that replace
        the usual ones, for the daemon and for Asterisk. `daemon_settings` replace them for the daemon alone: so it can
        be made to reach Asterisk through a proxy.
        """
        self.folder = folder.resolve()
        self.say = say
        self.name = name
        self.settings = dict(settings or {})
        self.daemon_settings = dict(daemon_settings or {})

    # --- Parts and addresses --------------------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        """The settings (`BRIDGE_*`) of the daemon, of the migration and of Asterisk's configuration."""
        inherited = {key: value for key, value in os.environ.items() if key.startswith("BRIDGE_")}
        return {**inherited, **self._own_settings}

    @cached_property
    def asterisk(self) -> Node:
        """The sandbox's Asterisk."""
        return node.at(self.folder / "node", asterisk_tree.get(self.say))

    @cached_property
    def postgres(self) -> Postgres:
        """The embedded Postgres."""
        return postgres.at(self.folder)

    @property
    def database_url(self) -> str:
        """BRIDGE_DATABASE_URL if that is set, else the URL of the embedded Postgres."""
        return self._external or self.postgres.url

    @property
    def api_url(self) -> str:
        """The base URL of the daemon's REST API."""
        return self._identity.api_url

    @property
    def probes_url(self) -> str:
        """The base URL of the daemon's health, readiness and metrics."""
        return self._identity.probes_url

    @property
    def sip_address(self) -> str:
        """The address that callers reach Asterisk at, as host:port."""
        return self._identity.sip_address

    @property
    def daemon(self) -> Process | None:
        """The running daemon, whoever started it."""
        return self.process("daemon")

    @property
    def daemon_log(self) -> Path:
        """The file with the output of the daemon, from every start."""
        return self.folder / "log" / "daemon.log"

    def process(self, part: Part) -> Process | None:
        """Return the process of a part if it runs. An external Postgres has none."""
        if part == "postgres":
            return self.postgres.process if self._embedded and self._has_postgres else None
        return next(iter(self._processes(part)), None)

    def contract(self) -> dict[str, str]:
        """Return the contents of the file `env`."""
        running = {part: self.process(part) for part in ALL}
        pids: dict[str, int | None] = {part: process.pid if process else None for part, process in running.items()}
        return environment.contract(self._identity, self._own_settings, self.folder, pids)

    def status(self) -> list[PartStatus]:
        """Return the status of each part. Starts nothing."""
        if not identity.exists(self.folder):
            return [PartStatus(part, None, "not set up") for part in ALL]
        about = {
            "postgres": "embedded" if self._embedded else "your own, from BRIDGE_DATABASE_URL",
            "asterisk": f"SIP on {self.sip_address}",
            "daemon": f"REST on {self.api_url}, {'ready' if self.ready() else 'not ready'}",
        }
        running = {part: self.process(part) for part in ALL if part != "postgres" or self._embedded}
        return [PartStatus(part, process.pid if process else None, about[part]) for part, process in running.items()]

    def ready(self) -> bool:
        """Return True if the daemon says that all its parts are ready."""
        return daemon.ready(self.probes_url)

    # --- Starting and stopping ------------------------------------------------------------------------------------
    def up(self, parts: Collection[Part] = ALL) -> None:
        """Start the parts that do not run, and write the file `env`.

        Raises SandboxError. Parts that were started before the error go on running until `down`.
        """
        private_folder.make(self.folder)
        with private_folder.locked(self.folder, self.say), self._claimed() as keep:
            with ThreadPoolExecutor() as beside:
                embedded = self.postgres if self._embedded else None
                starting = beside.submit(self._start_postgres, embedded) if "postgres" in parts and embedded else None
                if "asterisk" in parts:
                    self._start_asterisk(keep)
                if starting:
                    starting.result()
            if "daemon" in parts:
                with self._step("bring the tables in Postgres up to date"):
                    self.bridge("migrate")
                self._start_daemon(keep)
                with self._step(f"set up the access number {ACCESS_NUMBER}"):
                    self.ensure_access_number(ACCESS_NUMBER)
                contract = "".join(f"{key}={value}\n" for key, value in self.contract().items())
                private_folder.write(self.folder / "env", contract)

    def down(self) -> None:
        """Stop all parts, in whatever state they are. Data, secrets and logs stay for the next `up`."""
        if not self.folder.exists():
            return
        with private_folder.locked(self.folder, self.say):
            # The daemon is stopped first, while it can still commit what Asterisk has written.
            self.stop("daemon")
            self.stop("asterisk")
            self.stop("postgres")
            (self.folder / "env").unlink(missing_ok=True)

    def restart(self, part: Part) -> None:
        """Start a part again just as it was, like a supervisor: without new configuration and without migration.

        Returns at once for the daemon. For Postgres and Asterisk, returns when they take connections or calls.
        """
        with private_folder.locked(self.folder, self.say), self._claimed() as keep:
            match part:
                case "postgres":
                    self.postgres.start()
                case "asterisk":
                    self.asterisk.start(keep, listening=self._listening())
                case "daemon":
                    if self.daemon is None:
                        processes.spawn([str(self.folder / "daemon")], os.environ, self.daemon_log, keep)

    def stop(self, part: Part) -> None:
        """Stop one part in good order, or by force if that takes too long. `up` starts it again."""
        if part == "postgres":
            # An embedded Postgres of an earlier `up` is stopped even if BRIDGE_DATABASE_URL names another one now.
            if self._has_postgres:
                with self._step("stop Postgres"):
                    self.postgres.stop()
            return
        for process in self._processes(part):
            with self._step(f"stop {'Asterisk' if part == 'asterisk' else 'the daemon'}, pid {process.pid}"):
                process.stop()

    def kill(self, part: Part) -> None:
        """Kill one part by SIGKILL, and wait until it has gone. The children of Postgres's postmaster follow it."""
        for process in [self.process("postgres")] if part == "postgres" else self._processes(part):
            if process:
                process.kill()

    def remove(self) -> None:
        """Stop all parts, and delete the folder with all its data."""
        self.down()
        if self._has_postgres:
            self.postgres.remove()
        if (self.folder / "node").is_dir() and (tree := asterisk_tree.installed() or asterisk_tree.cached()):
            node.at(self.folder / "node", tree).remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ensure_access_number(self, number: str) -> None:
        """Create an access number through REST, unless it exists already. Raises SandboxError."""
        daemon.ensure_access_number(self.api_url, self._identity.operator_key, number)

    def bridge(self, *words: str) -> str:
        """Run a command of the product with this sandbox's settings, and return its output. Raises SandboxError."""
        return node.bridge(words, {**os.environ, **self.environment})

    # --- Details --------------------------------------------------------------------------------------------------
    @property
    def _identity(self) -> SandboxIdentity:
        return identity.read(self.folder)

    @property
    def _own_settings(self) -> dict[str, str]:
        """The settings that this sandbox sets, without those of the shell."""
        usual = environment.settings(self._identity, self.folder, self.name, self.database_url, self.asterisk)
        return {**usual, **self.settings}

    @property
    def _has_postgres(self) -> bool:
        return (self.folder / "postgres").is_dir()

    @property
    def _embedded(self) -> bool:
        return self._external is None

    @property
    def _external(self) -> str | None:
        given = os.environ.get("BRIDGE_DATABASE_URL") or None
        # A shell that has read the sandbox's own `env` names the embedded Postgres there.
        own = self._has_postgres and given == self.postgres.url
        return None if own else given

    def _processes(self, part: Literal["asterisk", "daemon"]) -> list[Process]:
        return processes.carrying(self.folder / "node" if part == "asterisk" else self.folder, part)

    def _start_postgres(self, database: Postgres) -> None:
        if database.accepts():
            self._say_running("Postgres", database.process)
            return
        with self._step("start Postgres"):
            database.start()

    def _start_asterisk(self, keep: list[int]) -> None:
        asterisk = self.asterisk
        asterisk.write_cli(self.folder / "asterisk-cli")
        if asterisk.process and asterisk.booted():
            self._say_running("Asterisk", asterisk.process)
            return
        with self._step(f"start Asterisk {asterisk.tree.version}, SIP on {self.sip_address}"):
            asterisk.render({**os.environ, **self.environment})
            asterisk.start(keep, listening=self._listening())

    def _listening(self) -> list[tuple[str, int]]:
        own = self._identity
        sip = ["udp", "tcp", *(["udp6", "tcp6"] if HAS_IPV6 else [])]
        return [*((protocol, own.sip_port) for protocol in sip), ("tcp", own.ari_port), ("tcp", own.ami_port)]

    def _start_daemon(self, keep: list[int]) -> None:
        for name in ("log", "state"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        command = daemon.write_command(self.folder, {**self.environment, **self.daemon_settings})
        running = self.daemon
        if running and self.ready():
            self._say_running("The daemon", running)
            return
        with self._step(f"start the daemon, REST on {self.api_url}"):
            process = running or processes.spawn([str(command)], os.environ, self.daemon_log, keep)
            ready = processes.wait_until(lambda: not process.alive() or self.ready(), 60.0)
            if not process.alive() or not ready:
                problem = "is not ready after 60 s" if process.alive() else "ended"
                raise SandboxError(f"The daemon {problem}; {self.daemon_log} ends:\n{tail(self.daemon_log)}")

    @contextmanager
    def _claimed(self) -> Iterator[list[int]]:
        running = identity.exists(self.folder) and bool(self.process("daemon") or self.process("asterisk"))
        with identity.claimed(self.folder, running=running) as keep:
            yield keep

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """Say how long a step took when it is done, or that it failed."""
        begin = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f"{time.monotonic() - begin:6.1f} s  FAILED: {what}")
            raise
        self.say(f"{time.monotonic() - begin:6.1f} s  {what}")

    def _say_running(self, what: str, process: Process | None) -> None:
        self.say(f"{'':8}  {what} runs already, pid {process.pid if process else 'unknown'}")


@contextmanager
def running(folder: Path, parts: Collection[Part] = ALL, say: Say = lambda _: None) -> Iterator[Sandbox]:
    """Run a sandbox for the length of a block, such as a pytest fixture, and remove it afterwards."""
    sandbox = Sandbox(folder, say)
    try:
        sandbox.up(parts)
        yield sandbox
    finally:
        sandbox.remove()
