"""The whole product, running privately in one folder: Postgres, Asterisk and the daemon."""

import fcntl
import json
import os
import secrets
import shlex
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bridge.sandbox import asterisk_tree, node, postgres
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import ports, processes
from bridge.sandbox.host.ports import Claim
from bridge.sandbox.host.processes import Process
from bridge.sandbox.host.system import Say
from bridge.sandbox.node import PROJECT, Node
from bridge.sandbox.postgres import Postgres

Part = Literal["postgres", "asterisk", "daemon"]
ALL: tuple[Part, ...] = ("postgres", "asterisk", "daemon")
ACCESS_NUMBER = "18005550100"
# SIP, ARI, AMI and REST come first, RTP from here on: two ports a call.
RTP_OFFSET, RTP_PORTS = 10, 1000
# A proxy named in the environment has no business on loopback.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sandbox keeps over `down` and `up`: its first port (a wish) and its secrets."""

    first_port: int
    operator_key: str
    passcode_key: str
    ari_password: str
    ami_password: str


@dataclass(frozen=True, slots=True)
class State:
    """Whether one part runs, and as what."""

    part: Part
    pid: int | None
    about: str


class Sandbox:
    """A sandbox in `folder`. `say` is told what happens; nothing is started or written before `up`."""

    def __init__(
        self,
        folder: Path = Path(".sandbox"),
        say: Say = print,
        name: str = "sandbox",
        settings: Mapping[str, str] | None = None,
        daemon_settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are further `BRIDGE_*` variables, or others than usual, of the daemon and of Asterisk.

        `daemon_settings` are the daemon's alone: it can be led to Asterisk by another way than where that listens.
        """
        self.folder = folder.resolve()
        self.say = say
        self.name = name
        self.settings = dict(settings or {})
        self.daemon_settings = dict(daemon_settings or {})

    # What it is

    @property
    def environment(self) -> dict[str, str]:
        """The settings (`BRIDGE_*`) of daemon, migration and rendering."""
        identity = self._identity()
        given = {name: value for name, value in os.environ.items() if name.startswith("BRIDGE_")}
        first, rtp = identity.first_port, identity.first_port + RTP_OFFSET
        return {
            **given,
            "BRIDGE_NODE": self.name,
            "BRIDGE_STATE_DIR": str(self.folder / "state"),
            "BRIDGE_DATABASE_URL": self.database_url,
            "BRIDGE_API_ADDRESS": f"127.0.0.1:{first + 3}",
            "BRIDGE_OPERATOR_KEY": identity.operator_key,
            "BRIDGE_PASSCODE_KEY": identity.passcode_key,
            "BRIDGE_ARI_URL": f"http://127.0.0.1:{first + 1}",
            "BRIDGE_ARI_USER": "bridge",
            "BRIDGE_ARI_PASSWORD": identity.ari_password,
            "BRIDGE_AMI_ADDRESS": f"127.0.0.1:{first + 2}",
            "BRIDGE_AMI_USER": "bridge",
            "BRIDGE_AMI_PASSWORD": identity.ami_password,
            "BRIDGE_JOURNAL": str(self.asterisk.journal),
            # A sandbox lives on whatever disk there is; its calls are few and short.
            "BRIDGE_JOURNAL_RESERVE_MB": "16",
            "BRIDGE_SIP_BIND": self.sip_address,
            "BRIDGE_SIP_TRUNKS": "127.0.0.1",
            "BRIDGE_RTP_PORTS": f"{rtp}-{rtp + RTP_PORTS - 1}",
            "BRIDGE_ASTERISK_MODULES": str(self.asterisk.tree.modules),
            "BRIDGE_ASTERISK_DATA": str(self.asterisk.data),
            "BRIDGE_ASTERISK_HOME": str(self.asterisk.home),
            **self.settings,
        }

    @cached_property
    def asterisk(self) -> Node:
        """Its Asterisk."""
        return node.at(self.folder / "node", asterisk_tree.get(self.say))

    @cached_property
    def postgres(self) -> Postgres:
        """Its embedded Postgres."""
        return postgres.at(self.folder)

    @property
    def database_url(self) -> str:
        """BRIDGE_DATABASE_URL if that is set, else the embedded Postgres."""
        return self._external or self.postgres.url

    @property
    def api_url(self) -> str:
        """Where the daemon serves REST."""
        return f"http://127.0.0.1:{self._identity().first_port + 3}"

    @property
    def sip_address(self) -> str:
        """Where callers reach Asterisk, as host:port."""
        return f"127.0.0.1:{self._identity().first_port}"

    @property
    def daemon(self) -> Process | None:
        """The running daemon, whoever started it."""
        return self.process("daemon")

    @property
    def daemon_log(self) -> Path:
        """What the daemon said, of every start."""
        return self.folder / "log" / "daemon.log"

    def process(self, part: Part) -> Process | None:
        """The process of a part, if it runs; of an external Postgres, none."""
        if part == "postgres":
            return self.postgres.process if self._embedded and (self.folder / "postgres").is_dir() else None
        return next(iter(self._processes(part)), None)

    def contract(self) -> dict[str, str]:
        """What stands in `.sandbox/env`."""
        settings = self.environment
        running = {part: self.process(part) for part in ALL}
        pids = {part: str(process.pid) if process else "" for part, process in running.items()}
        return {
            "BRIDGE_API_URL": self.api_url,
            "BRIDGE_OPERATOR_KEY": settings["BRIDGE_OPERATOR_KEY"],
            "BRIDGE_DATABASE_URL": settings["BRIDGE_DATABASE_URL"],
            "BRIDGE_SIP_ADDRESS": self.sip_address,
            "BRIDGE_ACCESS_NUMBER": ACCESS_NUMBER,
            "BRIDGE_ARI_URL": settings["BRIDGE_ARI_URL"],
            "BRIDGE_AMI_ADDRESS": settings["BRIDGE_AMI_ADDRESS"],
            "BRIDGE_JOURNAL": settings["BRIDGE_JOURNAL"],
            "BRIDGE_ASTERISK_CLI": str(self.folder / "asterisk-cli"),
            "BRIDGE_DAEMON_PID": pids["daemon"],
            "BRIDGE_ASTERISK_PID": pids["asterisk"],
            "BRIDGE_POSTGRES_PID": pids["postgres"],
            "BRIDGE_DAEMON_COMMAND": str(self.folder / "daemon"),
        }

    def status(self) -> list[State]:
        """Each part, whether it runs. Starts nothing."""
        if not (self.folder / "identity.json").exists():
            return [State(part, None, "not set up") for part in ALL]
        about = {
            "postgres": "embedded" if self._embedded else "your own, of BRIDGE_DATABASE_URL",
            "asterisk": f"SIP on {self.sip_address}",
            "daemon": f"REST on {self.api_url}, {'ready' if self.ready() else 'not ready'}",
        }
        running = {part: self.process(part) for part in ALL if part != "postgres" or self._embedded}
        return [State(part, process.pid if process else None, about[part]) for part, process in running.items()]

    # What it does

    def up(self, parts: Collection[Part] = ALL) -> None:
        """Start what is not running, and write `env`. Raises SandboxError; what was started till then, `down` stops."""
        self._make_folder()
        with self._locked(), self._claimed() as keep:
            with ThreadPoolExecutor() as beside:
                embedded = self.postgres if self._embedded else None
                starting = beside.submit(self._start_postgres, embedded) if "postgres" in parts and embedded else None
                if "asterisk" in parts:
                    self._start_asterisk(keep)
                if starting:
                    starting.result()
            if "daemon" in parts:
                with self._step("schema"):
                    self.bridge("migrate")
                self._start_daemon(keep)
                with self._step(f"access number {ACCESS_NUMBER}"):
                    self.ensure_access_number(ACCESS_NUMBER)
                self._write(self.folder / "env", "".join(f"{key}={value}\n" for key, value in self.contract().items()))

    def down(self) -> None:
        """Stop everything, whatever state it is in. Data, secrets and logs stay for the next `up`."""
        if not self.folder.exists():
            return
        with self._locked():
            # The daemon first: it still commits what the others told it.
            self.stop("daemon")
            self.stop("asterisk")
            self.stop("postgres")
            (self.folder / "env").unlink(missing_ok=True)

    def restart(self, part: Part) -> None:
        """Start a part that was up before just as it was, like a supervisor: nothing is rendered or migrated anew.

        Returns at once for the daemon, which waits for nobody, and once calls or connections are taken for the others.
        """
        with self._locked(), self._claimed() as keep:
            match part:
                case "postgres":
                    self.postgres.start()
                case "asterisk":
                    self.asterisk.start(keep, listening=self._listening())
                case "daemon":
                    if self.daemon is None:
                        processes.spawn([str(self.folder / "daemon")], os.environ, self.daemon_log, keep)

    def stop(self, part: Part) -> None:
        """Stop one part in good order, by force if that takes too long; `up` starts it again."""
        if part == "postgres":
            # Not asked whether it is in use: one of an earlier `up` must not be left behind either.
            if (self.folder / "postgres").is_dir():
                with self._step("Postgres stopped"):
                    self.postgres.stop()
            return
        for process in self._processes(part):
            with self._step(f"{part} {process.pid} stopped"):
                process.stop()

    def kill(self, part: Part) -> None:
        """kill -9 of one part, and wait until it has gone; of Postgres, the postmaster, whose children then follow."""
        for process in [self.process("postgres")] if part == "postgres" else self._processes(part):
            if process:
                process.kill()

    def remove(self) -> None:
        """Stop everything and delete the folder with all its data."""
        self.down()
        if (self.folder / "postgres").is_dir():
            self.postgres.remove()
        if (self.folder / "node").is_dir() and (tree := asterisk_tree.installed() or asterisk_tree.cached()):
            node.at(self.folder / "node", tree).remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ensure_access_number(self, number: str) -> None:
        """Make an access number through REST, unless it is there already."""
        request = urllib.request.Request(  # noqa: S310 -- always http, on loopback
            f"{self.api_url}/v1/access-numbers",
            json.dumps({"number": number}).encode(),
            {"Authorization": f"Bearer {self._identity().operator_key}", "Content-Type": "application/json"},
        )
        try:
            with DIRECTLY.open(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 409:
                    return
                said = error.read().decode(errors="replace")[:500]
            raise SandboxError(f"The daemon did not take the access number {number}: {error.code} {said}") from error
        except OSError as error:
            raise SandboxError(f"The daemon does not answer at {self.api_url}: {error}") from error

    # How

    @property
    def _embedded(self) -> bool:
        return self._external is None

    @property
    def _external(self) -> str | None:
        given = os.environ.get("BRIDGE_DATABASE_URL") or None
        # Whoever has read our own `env` into the environment has not thereby brought a Postgres along.
        ours = (self.folder / "postgres").is_dir() and given == self.postgres.url
        return None if ours else given

    def _processes(self, part: Literal["asterisk", "daemon"]) -> list[Process]:
        return processes.carrying(self.folder / "node" if part == "asterisk" else self.folder, part)

    def _start_postgres(self, database: Postgres) -> None:
        if database.accepts():
            self._running("Postgres", database.process)
            return
        with self._step("Postgres"):
            database.start()

    def _start_asterisk(self, keep: list[int]) -> None:
        asterisk = self.asterisk
        asterisk.write_cli(self.folder / "asterisk-cli")
        if asterisk.process and asterisk.booted():
            self._running("Asterisk", asterisk.process)
            return
        with self._step(f"Asterisk {asterisk.tree.version} on {self.sip_address}"):
            asterisk.render(self._full_environment())
            asterisk.start(keep, listening=self._listening())

    def _listening(self) -> list[tuple[str, int]]:
        first = self._identity().first_port
        return [("udp", first), *(("tcp", first + offset) for offset in (0, 1, 2))]

    def _start_daemon(self, keep: list[int]) -> None:
        for name in ("log", "state"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        command = self.folder / "daemon"
        marks = {"BRIDGE_SANDBOX": str(self.folder), "BRIDGE_SANDBOX_PART": "daemon"}
        settings = {**self.environment, **self.daemon_settings, "PYTHONPATH": str(PROJECT), **marks}
        exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in settings.items())
        become = shlex.join([sys.executable, "-m", "bridge", "serve"])
        self._write(command, f"#!/bin/sh\n{exports}cd {shlex.quote(str(PROJECT))}\nexec {become}\n", mode=0o700)
        running = self.daemon
        if running and self.ready():
            self._running("daemon", running)
            return
        with self._step(f"daemon on {self.api_url}"):
            process = running or processes.spawn([str(command)], os.environ, self.daemon_log, keep)
            ready = processes.wait_until(lambda: not process.alive() or self.ready(), 60.0)
            if not process.alive() or not ready:
                state = "is not ready after 60 s" if process.alive() else "ended"
                raise SandboxError(f"The daemon {state}; {self.daemon_log} ends:\n{tail(self.daemon_log)}")

    def ready(self) -> bool:
        """Whether the daemon answers that every part of it is well."""
        try:
            with DIRECTLY.open(f"{self.api_url}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def bridge(self, *words: str) -> str:
        """What a command of the product prints, run with this sandbox's settings."""
        return node.bridge(words, self._full_environment())

    def _full_environment(self) -> Mapping[str, str]:
        return {**os.environ, **self.environment}

    def _identity(self) -> Identity:
        path = self.folder / "identity.json"
        try:
            return Identity(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise SandboxError(f"There is no sandbox in {self.folder}; start one with `bridge sandbox up`.") from None
        except (TypeError, ValueError) as error:
            raise SandboxError(f"{path} is damaged; delete it, and the sandbox starts afresh.") from error

    @contextmanager
    def _claimed(self) -> Iterator[list[int]]:
        """The sandbox's ports, kept by whoever inherits the descriptors; they are kept already if anything runs."""
        path = self.folder / "identity.json"
        known = self._identity() if path.exists() else None
        if known and (self.process("daemon") or self.process("asterisk")):
            held = ports.hold(known.first_port, RTP_OFFSET + RTP_PORTS)
            try:
                yield [held.descriptor] if held else []
            finally:
                if held:
                    held.release()
            return
        with ports.claim(RTP_OFFSET + RTP_PORTS, known.first_port if known else None) as claim:
            self._write(path, json.dumps(asdict(_identity(claim, known))))
            yield [claim.descriptor]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say(f"waiting for another command on {self.folder}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SandboxError(f"{self.folder} could not be made: {error.strerror}.") from error
        owner = self.folder.stat().st_uid
        if owner != os.geteuid():
            raise SandboxError(
                f"The sandbox in {self.folder} belongs to user {owner}, and you are {os.geteuid()}. "
                "Go on as that user, or choose another --folder."
            )

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f"{time.monotonic() - begin:6.1f} s  FAILED: {what}")
            raise
        self.say(f"{time.monotonic() - begin:6.1f} s  {what}")

    def _running(self, what: str, process: Process | None) -> None:
        self.say(f"   runs   {what}, pid {process.pid if process else '?'}")

    def _write(self, path: Path, text: str, mode: int = 0o600) -> None:
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode, exist_ok=False)
        temporary.write_text(text)
        temporary.replace(path)


def _identity(claim: Claim, known: Identity | None) -> Identity:
    kept = known or Identity(
        0, secrets.token_urlsafe(32), secrets.token_hex(32), *(secrets.token_hex(16) for _ in "12")
    )
    return Identity(claim.first, kept.operator_key, kept.passcode_key, kept.ari_password, kept.ami_password)


@contextmanager
def running(folder: Path, parts: Collection[Part] = ALL, say: Say = lambda _: None) -> Iterator[Sandbox]:
    """A sandbox for the length of a block (a pytest fixture); nothing of it is left afterwards."""
    sandbox = Sandbox(folder, say)
    try:
        sandbox.up(parts)
        yield sandbox
    finally:
        sandbox.remove()
